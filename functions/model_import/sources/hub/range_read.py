"""Reads one range of a file into one buffer; other threads may watch or cut the read."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from model_import.transport.pools import Cut
from model_import.transport.retries import TransientError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

CHUNK_BYTES: Final = 256 * 1024
"""How much a slow connection reads and reports at a time; a drop loses one chunk at most."""

_FAST_CHUNKS: Final = 4
"""A connection that brings this many chunks a second reads them in one step, which costs less."""


class RangeAbandonedError(Exception):
    """The range is no longer needed."""


class RangeRead:
    """Counts the bytes that arrive; only the reading thread writes to the buffer.

    `after` is where the range before it ends, for servers that send a file only from its start.
    `wake` ends waits between attempts; `abandon` sets it, if it was given.
    """

    def __init__(  # noqa: PLR0913 a range, and its callbacks
        self,
        start: int,
        buffer: memoryview,
        arrived: Callable[[int], None] = lambda _: None,
        *,
        after: int | None = None,
        wake: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.start = start
        self.after = after
        self.wake = wake
        self.reached = 0
        self._buffer = buffer
        self._arrived = arrived
        self._clock = clock
        self._began_at = self._moved_at = clock()
        self._step_bytes = CHUNK_BYTES
        self._cut = Cut()
        self._is_open = False
        self._is_abandoned = False

    @property
    def end(self) -> int:
        """Return the position in the file after the last byte of the range."""
        return self.start + len(self._buffer)

    @property
    def position(self) -> int:
        """Return the position in the file of the next byte."""
        return self.start + self.reached

    @property
    def left(self) -> memoryview:
        """Return the part of the buffer that is not filled yet."""
        return self._buffer[self.reached :]

    @property
    def step(self) -> memoryview:
        """Return where the next bytes go."""
        return self._buffer[self.reached : self.reached + self._step_bytes]

    def filled(self, count: int) -> memoryview:
        """Return the first `count` bytes of the range, which must have been reached."""
        return self._buffer[:count]

    def advance(self, count: int) -> None:
        """Count bytes that have been written to the buffer."""
        self.reached += count
        self.moved(count)

    def moved(self, count: int) -> None:
        """Count bytes that arrived, whether they are in the range or before it."""
        now = self._clock()
        fast_bytes = _FAST_CHUNKS * CHUNK_BYTES
        is_fast = count >= fast_bytes * (now - self._moved_at)
        self._step_bytes = fast_bytes if is_fast else CHUNK_BYTES
        self._moved_at = now
        self._arrived(count)

    def age(self, now: float) -> float:
        """Return the seconds since the read began."""
        return now - self._began_at

    def rate(self, now: float) -> float:
        """Return the bytes a second since the read began."""
        return self.reached / max(self.age(now), 1e-9)

    def silence(self, now: float) -> float:
        """Return the seconds since the last chunk arrived, or since the request began."""
        return now - self._moved_at if self._is_open else 0

    @contextmanager
    def connection(self) -> Iterator[Cut]:
        """Yield the cut for the request of one attempt.

        Raises:
            RangeAbandonedError: the range is no longer needed.
        """
        self._cut = Cut()
        self.check()  # only now: an earlier check could miss an abandonment that cuts the old cut
        self._moved_at = self._clock()
        self._step_bytes = CHUNK_BYTES
        self._is_open = True
        try:
            yield self._cut
        except TransientError:
            self.check()  # an abandoned range was cut on purpose, which is not a failure
            raise
        finally:
            self._is_open = False
            self._cut.release()

    def check(self) -> None:
        """Raise RangeAbandonedError if the range is no longer needed."""
        if self._is_abandoned:
            raise RangeAbandonedError

    def cut_connection(self) -> None:
        """Drop a connection that has stalled; the rest of the range is requested again."""
        self._is_open = False
        self._cut()

    def abandon(self) -> None:
        """End the read for good: it raises RangeAbandonedError."""
        self._is_abandoned = True
        if self.wake is not None:
            self.wake.set()
        self._cut()
