"""The memory of a transfer, and the parts that a kill can cost: one number limits both."""

from __future__ import annotations

import threading
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap


class BuffersClosedError(Exception):
    """The buffers are closed, and none is lent."""


class PartBuffers:
    """Lends buffers, each with a place for a part; a thread waits if no place is left.

    A buffer may come back before its place. The place stays taken until the part is safe: then a
    transfer that starts over does not read the part again. Memory is `count × buffer_bytes`, and at
    most `count` parts are read twice after a kill.
    """

    def __init__(self, count: int, buffer_bytes: int) -> None:
        self._buffer_bytes = buffer_bytes
        self._places = count
        # Last in, first out: a short slice does not touch the memory of all buffers.
        self._free: list[memoryview] = []
        self._changed = threading.Condition()
        self._is_closed = False

    @property
    def are_lent(self) -> bool:
        """Return whether no place is left, so that `acquire` waits."""
        with self._changed:
            return not self._places

    def acquire(self) -> memoryview:
        """Return a buffer with arbitrary content.

        Raises:
            BuffersClosedError: the buffers are closed.
        """
        with self._changed:
            while not self._places and not self._is_closed:
                self._changed.wait()
            if self._is_closed:
                raise BuffersClosedError
            self._places -= 1
            return self._free.pop() if self._free else _new_buffer(self._buffer_bytes)

    def release(self, buffer: memoryview, *, places: int = 1) -> None:
        """Take a buffer back, and its place with it unless `places` is 0."""
        with self._changed:
            self._free.append(buffer)
        self.free(places)

    def free(self, places: int) -> None:
        """Take back the places of buffers that came back earlier."""
        with self._changed:
            self._places += places
            self._changed.notify(places)

    def close(self) -> None:
        """Lend no more buffers, and wake the threads that wait."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()


def _new_buffer(size_bytes: int) -> memoryview:
    """Return memory that is aligned to a page.

    The memory of a bytearray begins 16 bytes later. Some processors copy slowly to an address that
    is a few bytes further into its page than the source address is
    (https://sourceware.org/bugzilla/show_bug.cgi?id=30994).
    """
    return memoryview(mmap(-1, max(1, size_bytes), MAP_PRIVATE | MAP_ANONYMOUS))[:size_bytes]
