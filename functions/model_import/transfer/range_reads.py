"""The ranges that are being read, and help for slow ones.

A connection that falls silent is cut, and its range resumes over another one. When threads have
nothing left to do but wait for a slow range, a second request reads the rest of it into its own
buffer. The request that finishes first wins, and the other is cut.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from model_import.errors import HubUnavailableError
from model_import.sources.hub.range_read import RangeAbandonedError, RangeRead

if TYPE_CHECKING:
    from collections.abc import Callable

    from model_import.sources.hub.files import RemoteFile
    from model_import.transfer.part_buffers import PartBuffers
    from model_import.transfer.part_queue import PartQueue
    from model_import.transfer.progress import Tally

_RATES_KEPT: Final = 100
_SLOWER: Final = 2
"""A range is slow when its rest would take this many times as long as at the usual rate."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait before help.

    A connection may bring no chunk for `stall_seconds`. A range is not slow while it is younger
    than `hedge_seconds`, nor if its rest takes no longer than that.
    """

    stall_seconds: float = 20
    hedge_seconds: float = 1


class RangeReads:
    """Reads ranges in the threads that call `read`; another thread calls `look` now and then."""

    def __init__(
        self,
        buffers: PartBuffers,
        queue: PartQueue,
        tally: Tally,
        patience: Patience,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._buffers = buffers
        self._queue = queue
        self._tally = tally
        self._patience = patience
        self._clock = clock
        self._lock = threading.Lock()
        self._races: set[_Race] = set()
        self._rates: deque[float] = deque(maxlen=_RATES_KEPT)
        self._is_closed = False

    def read(
        self,
        file: RemoteFile,
        where: range,
        buffer: memoryview,
        *,
        after: int,
        then: Callable[[memoryview], None],
    ) -> None:
        """Fill a buffer with a range; call `then` with it, or with the buffer that overtook it."""
        race = _Race(file, where, after, then)
        read = race.enter(buffer, 0, self._tally.arrived, self._clock)
        with self._lock:
            self._races.add(race)
            if self._is_closed:
                race.cancel()
        try:
            file.fill(read)
        except RangeAbandonedError:
            self._buffers.release(buffer)
            return
        finally:
            with self._lock:
                self._races.discard(race)
        self._rates.append(read.rate(self._clock()))
        self._arrive(race, read, buffer)

    def look(self) -> None:
        """Cut silent connections, and offer slow ranges to waiting threads."""
        now = self._clock()
        with self._lock:
            races = list(self._races)
        for race in races:
            for read in race.reads:
                if read.silence(now) > self._patience.stall_seconds:
                    read.cut_connection()
                    with self._tally as counts:
                        counts.stalls += 1
            if self._is_slow(race, now) and self._queue.offer(partial(self._overtake, race)):
                race.is_hedged = True
                with self._tally as counts:
                    counts.hedges += 1

    def close(self) -> None:
        """Abandon every range."""
        with self._lock:
            self._is_closed = True
            races = list(self._races)
        for race in races:
            race.cancel()

    def _is_slow(self, race: _Race, now: float) -> bool:
        if race.is_hedged or race.file.ignores_range or not self._rates:
            return False
        read = race.reads[0]
        if read.age(now) < self._patience.hedge_seconds:
            return False
        left_bytes = len(read.left)
        left_seconds = left_bytes / max(read.rate(now), 1e-9)
        usual_seconds = left_bytes / max(statistics.median(list(self._rates)), 1e-9)
        return left_seconds > self._patience.hedge_seconds + _SLOWER * usual_seconds

    def _overtake(self, race: _Race, buffer: memoryview) -> None:
        first = race.reads[0]
        reached = first.reached
        read = race.enter(buffer, reached, self._arrived_again, self._clock)
        try:
            race.file.fill(read)
        except (RangeAbandonedError, HubUnavailableError):  # the first read continues, or has won
            self._buffers.release(buffer)
            return
        # The bytes that the first read has filled do not change until it loses.
        buffer[:reached] = first.filled(reached)
        self._arrive(race, read, buffer)

    def _arrive(self, race: _Race, read: RangeRead, buffer: memoryview) -> None:
        if race.win(read):
            race.then(buffer)
        else:
            self._buffers.release(buffer)

    def _arrived_again(self, count: int) -> None:
        with self._tally as counts:
            counts.bytes_arrived += count
            counts.bytes_reread += count


class _Race:
    """One range, and the reads that compete for it."""

    def __init__(
        self, file: RemoteFile, where: range, after: int, then: Callable[[memoryview], None]
    ) -> None:
        self.file = file
        self.then = then
        self.reads: list[RangeRead] = []
        self.is_hedged = False
        self._where = where
        self._after = after
        self._lock = threading.Lock()
        self._is_over = False

    def enter(
        self,
        buffer: memoryview,
        reached: int,
        arrived: Callable[[int], None],
        clock: Callable[[], float],
    ) -> RangeRead:
        read = RangeRead(
            self._where.start + reached,
            buffer[reached : len(self._where)],
            arrived,
            after=self._after,
            wake=threading.Event(),
            clock=clock,
        )
        with self._lock:
            self.reads.append(read)
            is_over = self._is_over
        if is_over:
            read.abandon()
        return read

    def win(self, winner: RangeRead) -> bool:
        """Return whether this read finished first; if so, cut the others."""
        with self._lock:
            if self._is_over:
                return False
            self._is_over = True
            losers = [read for read in self.reads if read is not winner]
        for loser in losers:
            loser.abandon()
        return True

    def cancel(self) -> None:
        with self._lock:
            self._is_over = True
            reads = list(self.reads)
        for read in reads:
            read.abandon()
