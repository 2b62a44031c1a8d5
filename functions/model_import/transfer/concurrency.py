"""How many connections a transfer uses: more while that helps, fewer when it is told to."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

_DOUBLING_SECONDS: Final = 0.5
_STEP_SECONDS: Final = 2.0
"""How long a number of connections is looked at before it is judged, at first and later."""
_GAIN_AT_LEAST: Final = 0.05
"""A step that brings less throughput than this share more is taken back."""
_CPU_AT_MOST: Final = 0.9
"""Above this share of all cores more connections cannot bring more throughput."""
_HOLD_SECONDS: Final = 15.0
"""How long a number is kept, after it was found best or lowered, until more are tried again."""
# All five by tests/unit/transfer/test_concurrency.py, which runs this against models of a network.


@dataclass(frozen=True, slots=True)
class Sample:
    """What a transfer looks like at one moment; all but `now_seconds` count since it began."""

    now_seconds: float
    bytes_moved: int
    cpu_seconds: float
    throttlings: int


class ConcurrencyController:
    """Decides on the number of connections from samples; knows neither threads nor clocks.

    It doubles while that brings throughput, and takes back what twice in a row brought none. Then
    it adds an eighth now and then, and doubles again if that helped. Throttling halves the number,
    once a step, and is the end of doubling.
    """

    def __init__(self, *, at_start: int, at_most: int, cores: float) -> None:
        self._at_most = at_most
        self._cores = cores
        self.limit = max(1, min(at_start, at_most))
        self._before: tuple[int, float] | None = None
        self._is_doubling = True
        self._is_in_doubt = False
        self._was_throttled = False
        self._held_until = 0.0
        self._last: Sample | None = None

    def observe(self, sample: Sample) -> int:
        """Return how many connections are to be used from now on."""
        last = self._last
        if last is None:
            self._last = sample
            return self.limit
        seconds = sample.now_seconds - last.now_seconds
        if seconds < (_DOUBLING_SECONDS if self._is_doubling else _STEP_SECONDS):
            return self.limit
        self._last = sample
        if sample.throttlings > last.throttlings:
            self._back_off(sample.now_seconds)
        elif sample.now_seconds >= self._held_until:
            rate = (sample.bytes_moved - last.bytes_moved) / seconds
            is_busy = (sample.cpu_seconds - last.cpu_seconds) / seconds > _CPU_AT_MOST * self._cores
            self._seek(sample.now_seconds, rate, is_busy=is_busy)
        return self.limit

    def _back_off(self, now_seconds: float) -> None:
        self.limit = max(1, self.limit // 2)
        self._was_throttled = True
        self._settle(now_seconds)

    def _seek(self, now_seconds: float, rate: float, *, is_busy: bool) -> None:
        if not rate:
            return
        if self._before is not None:
            limit_before, rate_before = self._before
            if rate < rate_before * (1 + _GAIN_AT_LEAST):
                if self._is_doubling and not self._is_in_doubt:
                    self._is_in_doubt = True  # a short look at a line that others use, too
                    return
                self.limit = limit_before
                self._settle(now_seconds)
                return
            self._is_doubling = not self._was_throttled
        if is_busy or self.limit == self._at_most:
            self._settle(now_seconds)
            return
        self._is_in_doubt = False
        self._before = (self.limit, rate)
        more = self.limit if self._is_doubling else max(1, self.limit // 8)
        self.limit = min(self._at_most, self.limit + more)

    def _settle(self, now_seconds: float) -> None:
        self._before = None
        self._is_doubling = self._is_in_doubt = False
        self._held_until = now_seconds + _HOLD_SECONDS


class WorkerGate:
    """Lets as many threads work at once as it is told; the others wait."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._working = 0
        self._is_closed = False
        self._changed = threading.Condition()

    def enter(self) -> bool:
        """Wait until there is room; return False when there will be none, since it is closed."""
        with self._changed:
            while self._working >= self._limit and not self._is_closed:
                self._changed.wait()
            self._working += 1
            return not self._is_closed

    def leave(self) -> None:
        """Make room for another."""
        with self._changed:
            self._working -= 1
            self._changed.notify()

    def open_to(self, limit: int) -> None:
        """Change how many may work; those at work beyond it finish what they do."""
        with self._changed:
            self._limit = limit
            self._changed.notify_all()

    def close(self) -> None:
        """Let everybody through, to find that there is nothing to do."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
