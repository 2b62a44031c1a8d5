"""Faults that the local Hub injects on request, to test how a client recovers."""

import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass
from typing import Literal

FaultKind = Literal[
    "status",
    "drop",
    "expire",
    "ignore_range",
    "wrong_content_range",
    "reset",
    "truncate",
    "stall",
    "flip_byte",
    "overlong",
]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that is injected into the requests that match.

    Attributes:
        kind: `status` answers with `status`; `drop` closes without an answer; `expire` makes the
            requested signed location expired from now on; `ignore_range` sends the whole file
            with 200; `wrong_content_range` shifts the Content-Range by one; `reset` (RST),
            `truncate` (FIN) and `stall` (waits for `FaultPlan.release`) interrupt a body that is
            longer than `after_bytes` after that many bytes; `flip_byte` inverts the byte at
            `offset` of the file, in every answer that contains it; `overlong` sends 100 bytes more
            than the range.
        match: regular expression that is searched for in "METHOD path"; the path is decoded and
            without query.
        times: number of requests that the fault strikes; None: all.
        skip: number of matching requests that pass before it strikes.
        status: of kind `status`; 429 comes with the Hub's RateLimit headers.
        reset_seconds: the time until the next window, as those headers state it.
        after_bytes: of the body of one answer, not of the file.
        offset: in the file.
    """

    kind: FaultKind
    _: KW_ONLY
    match: str = ""
    times: int | None = 1
    skip: int = 0
    status: int = 500
    reset_seconds: int = 2
    after_bytes: int = 0
    offset: int = 0


class _ArmedFault:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._pattern = re.compile(fault.match)
        self._passes_left = fault.skip
        self._times_left = fault.times

    def matches(self, line: str) -> bool:
        return self._times_left != 0 and self._pattern.search(line) is not None

    def strike(self) -> bool:
        """Counts one request that could be struck; returns whether it is."""
        if self._passes_left:
            self._passes_left -= 1
            return False
        if self._times_left is not None:
            self._times_left -= 1
        return True


class FaultPlan:
    """The faults that are still to be injected; the server's threads take them."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._armed = [_ArmedFault(fault) for fault in faults]
        self._struck: list[Fault] = []
        self._stalled = threading.Semaphore(0)
        self._released = threading.Event()
        self._closed = False

    def add(self, *faults: Fault) -> None:
        with self._lock:
            self._armed += [_ArmedFault(fault) for fault in faults]

    def clear(self) -> None:
        with self._lock:
            self._armed.clear()

    @property
    def struck(self) -> tuple[Fault, ...]:
        """The faults injected so far, once for each request."""
        with self._lock:
            return tuple(self._struck)

    def take_struck(self) -> tuple[Fault, ...]:
        """Returns the faults injected since the last call, once for each request."""
        with self._lock:
            struck, self._struck = tuple(self._struck), []
            return struck

    def take(
        self, line: str, *kinds: FaultKind, affects: Callable[[Fault], bool] = lambda _: True
    ) -> Fault | None:
        """Returns the fault of one of these kinds that strikes this request, and counts it."""
        with self._lock:
            for armed in self._armed:
                fault = armed.fault
                due = fault.kind in kinds and armed.matches(line) and affects(fault)
                if due and armed.strike():
                    self._struck.append(fault)
                    return fault
        return None

    def hold(self) -> None:
        """Waits, in the thread of a stalled answer, until it is released."""
        with self._lock:
            released = self._released
            if self._closed:
                return
        self._stalled.release()
        released.wait()

    def wait_until_stalled(self, timeout_seconds: float = 900) -> bool:
        """Waits until one more answer is held; returns whether that happened in time."""
        return self._stalled.acquire(timeout=timeout_seconds)

    def release(self) -> None:
        """Resumes the answers that are held now."""
        with self._lock:
            released, self._released = self._released, threading.Event()
        released.set()

    def close(self) -> None:
        """Resumes every held answer, and holds none from now on."""
        with self._lock:
            self._closed = True
        self.release()
