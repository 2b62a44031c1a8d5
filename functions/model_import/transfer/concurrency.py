"""How many connections a transfer uses: more while that helps, fewer when a server throttles."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

_DOUBLING_SECONDS: Final = 0.5
_STEP_SECONDS: Final = 2.0
"""How long a number of connections is measured before it is judged: while doubling, and later."""
_GAIN_AT_LEAST: Final = 0.05
"""A step is undone if it raises the throughput by less than this share."""
_CPU_AT_MOST: Final = 0.9
"""Above this share of all cores, more connections cannot raise the throughput."""
_HOLD_SECONDS: Final = 15.0
"""How long a number is kept, after it was found best or was lowered, before more are tried."""
# tests/unit/transfer/test_concurrency.py justifies all five against models of a network.


@dataclass(frozen=True, slots=True)
class Sample:
    """The state of a transfer at one moment; all fields but `now_seconds` count from its start."""

    now_seconds: float
    bytes_moved: int
    cpu_seconds: float
    throttlings: int


class ConcurrencyController:
    """Decides on the number of connections from samples; knows neither threads nor clocks.

    It doubles the number while that raises the throughput, and undoes a step that fails to do so
    twice in a row. Then it adds an eighth now and then, and doubles again if that helped.
    Throttling halves the number, at most once per step, and ends the doubling.
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
        """Return how many connections to use from now on."""
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
                    self._is_in_doubt = True  # a short measurement, on a line that others may use
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
    """Limits how many threads work at once; the others wait."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._working = 0
        self._is_closed = False
        self._changed = threading.Condition()

    def enter(self) -> bool:
        """Wait until this thread may work; return False if the gate is closed."""
        with self._changed:
            while self._working >= self._limit and not self._is_closed:
                self._changed.wait()
            self._working += 1
            return not self._is_closed

    def leave(self) -> None:
        """Let another thread work."""
        with self._changed:
            self._working -= 1
            self._changed.notify()

    def open_to(self, limit: int) -> None:
        """Change how many threads may work; threads above the limit finish their work first."""
        with self._changed:
            self._limit = limit
            self._changed.notify_all()

    def close(self) -> None:
        """Let all threads through; `enter` then returns False."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
