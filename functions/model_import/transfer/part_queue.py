"""The parts that are still to be moved, in order, and slow ones that a second try may overtake."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from model_import.transfer.part_buffers import PartBuffers

type Work = Callable[[memoryview], None]
"""Moves one part by way of a buffer that it is given, and that it gives back."""


class PartQueue:
    """Hands out work; whoever finds none waits, since a file may have to be begun again.

    `pending` counts the files that are not done.
    """

    def __init__(self, pending: int) -> None:
        self._work: deque[Work] = deque()
        self._pending = pending
        self._waiting = 0
        self._is_closed = False
        self._changed = threading.Condition()

    def take(self) -> Work | None:
        """Return the next work, or None when there will never be any."""
        with self._changed:
            while not self._work and self._pending and not self._is_closed:
                self._waiting += 1
                self._changed.wait()
                self._waiting -= 1
            return self._work.popleft() if self._work and not self._is_closed else None

    def move_next(self, buffers: PartBuffers) -> bool:
        """Do the next work; return whether there was any.

        The buffer is taken before the work: whoever waits for one then holds back no part.

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
        """Put work last."""
        with self._changed:
            self._work.extend(work)
            self._changed.notify_all()

    def begin_again(self, work: Iterable[Work]) -> None:
        """Put the parts of a file first that has to be moved once more."""
        with self._changed:
            self._work.extendleft(reversed(list(work)))
            self._changed.notify_all()

    def offer(self, work: Work) -> bool:
        """Give work to somebody who waits; return whether there was anybody."""
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
        """Hand out nothing more, and wake whoever waits."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
