"""Runs threads one at a time, in an order that the test draws, so any interleaving can be repeated.

A thread runs until it pauses: in a fake, or at a lock or a condition of this schedule. Then the
test chooses which thread resumes. If no thread can resume, the schedule reports a deadlock.
"""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Self

from support.waiting import HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class KilledError(BaseException):
    """Ends a thread where it pauses, like the end of its process."""


class _Thread:
    def __init__(self, schedule: Schedule, work: Callable[[], None], *, is_awaited: bool) -> None:
        self.is_awaited = is_awaited
        self.is_ended = False
        self.error: BaseException | None = None
        self.can_resume: Callable[[], bool] = lambda: True
        self.turn = threading.Semaphore(0)
        self._schedule = schedule
        self._work = work
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.turn.acquire()
        try:
            if not self._schedule.is_killed:
                self._work()
        except KilledError:
            pass
        except BaseException as error:  # noqa: BLE001 `run` raises it in the test
            self.error = error
        self.is_ended = True
        self._schedule.paused.release()


class Schedule:
    """Runs threads in turns; `choose` picks one of the threads that can resume."""

    def __init__(self, choose: Callable[[int], int]) -> None:
        self.paused = threading.Semaphore(0)
        self.is_killed = False
        self._choose = choose
        self._threads: list[_Thread] = []
        self._running: _Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self, work: Callable[[], None], *, is_awaited: bool = True) -> None:
        """Start a thread that does this work from its first turn on.

        A thread that is not awaited may wait for ever.
        """
        self._threads.append(_Thread(self, work, is_awaited=is_awaited))

    def run(self, turns: int | None = None) -> bool:
        """Give turns until all work is done, or `turns` are used; return whether it is done.

        An exception in a thread is raised here.
        """
        while turns is None or turns > 0:
            if self._is_done():
                return True
            ready = self._ready()
            assert ready, "Every thread waits for another: a deadlock"
            self._give_turn(ready[self._choose(len(ready)) if len(ready) > 1 else 0])
            turns = None if turns is None else turns - 1
        return self._is_done()

    def kill(self) -> None:
        """End every thread where it is."""
        self.is_killed = True
        for thread in list(self._threads):
            self._give_turn(thread)

    def pause(self, until: Callable[[], bool] = lambda: True) -> None:
        """Let other threads run; resume the calling thread when chosen, and only if `until()`."""
        thread = self._running
        if thread is None:
            assert until(), "The test itself would wait for ever"
            return
        if self.is_killed:
            raise KilledError
        thread.can_resume = until
        self.paused.release()
        thread.turn.acquire()
        if self.is_killed:
            raise KilledError

    def primitives(self) -> SimpleNamespace:
        """Return a replacement for a module's `threading`."""

        def lock() -> ScheduledLock:
            return ScheduledLock(self)

        def condition() -> ScheduledCondition:
            return ScheduledCondition(self)

        return SimpleNamespace(**{**vars(threading), "Lock": lock, "Condition": condition})

    def _is_done(self) -> bool:
        return not any(thread.is_awaited for thread in self._threads)

    def _ready(self) -> Sequence[_Thread]:
        return [thread for thread in self._threads if thread.can_resume()]

    def _give_turn(self, thread: _Thread) -> None:
        self._running = thread
        thread.turn.release()
        if not self.paused.acquire(timeout=HANG_SECONDS):
            # It waits for something outside the schedule, so it cannot be killed either.
            self._threads.clear()
            raise AssertionError("A thread waits outside of the schedule")
        self._running = None
        if thread.is_ended:
            self._threads.remove(thread)
            if thread.error is not None:
                raise thread.error


class ScheduledLock:
    """A lock that lets other threads run, and take it first, before it is taken."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._is_taken = False

    def acquire(self, blocking: bool = True) -> bool:  # noqa: FBT001, FBT002 as threading has it
        if blocking:
            self._schedule.pause(lambda: not self._is_taken)
        is_mine, self._is_taken = not self._is_taken, True
        return is_mine

    def release(self) -> None:
        self._is_taken = False

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class ScheduledCondition(ScheduledLock):
    """A condition that wakes its waiters in the order in which they began to wait."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__(schedule)
        self._waiters: list[list[bool]] = []

    def wait(self) -> None:
        woken = [False]
        self._waiters.append(woken)
        self._is_taken = False
        self._schedule.pause(lambda: woken[0] and not self._is_taken)
        self._is_taken = True

    def notify(self, count: int = 1) -> None:
        for waiter in self._waiters[:count]:
            waiter[0] = True
        del self._waiters[:count]

    def notify_all(self) -> None:
        self.notify(len(self._waiters))
