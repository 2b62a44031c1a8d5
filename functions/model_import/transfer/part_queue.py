"""The parts left to move, in order, and second reads that may overtake slow parts."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from model_import.transfer.part_buffers import PartBuffers

type Work = Callable[[memoryview], None]
"""Moves one part through a buffer, and releases the buffer."""


class PartQueue:
    """Gives work to threads; a thread that finds none waits, since a file may start over.

    `pending` counts the files that are not done.
    """

    def __init__(self, pending: int) -> None:
        self._work: deque[Work] = deque()
        self._pending = pending
        self._waiting = 0
        self._is_closed = False
        self._changed = threading.Condition()

    def take(self) -> Work | None:
        """Return the next work, or None if there will be no more."""
        with self._changed:
            while not self._work and self._pending and not self._is_closed:
                self._waiting += 1
                self._changed.wait()
                self._waiting -= 1
            return self._work.popleft() if self._work and not self._is_closed else None

    def move_next(self, buffers: PartBuffers) -> bool:
        """Do the next work; return whether there was any.

        The buffer is taken before the work, so a thread that waits for a buffer delays no part.

        Raises:
            BuffersClosedError: the buffers are closed.
        """
        buffer = buffers.acquire()
        work = self.take()
        if work is None:
            buffers.release(buffer)
            return False
        work(buffer)
        return True

    def append(self, work: Iterable[Work]) -> None:
        """Add work at the end of the queue."""
        with self._changed:
            self._work.extend(work)
            self._changed.notify_all()

    def begin_again(self, work: Iterable[Work]) -> None:
        """Put the parts of a file that must be moved again at the front of the queue."""
        with self._changed:
            self._work.extendleft(reversed(list(work)))
            self._changed.notify_all()

    def offer(self, work: Work) -> bool:
        """Give work to a waiting thread; return whether there was one."""
        with self._changed:
            if self._work or not self._waiting:
                return False
            self._work.append(work)
            self._changed.notify()
            return True

    def file_done(self) -> None:
        """Count one file that needs no more work."""
        with self._changed:
            self._pending -= 1
            if not self._pending:
                self._changed.notify_all()

    def close(self) -> None:
        """Give out no more work, and wake the threads that wait."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
