"""The memory of the transfer: a fixed number of buffers, each as long as the longest part."""

from __future__ import annotations

import queue
from contextlib import suppress


class PartBuffers:
    """Lends buffers; whoever asks for one too many waits. Memory is `count × buffer_bytes`."""

    def __init__(self, count: int, buffer_bytes: int) -> None:
        self._buffer_bytes = buffer_bytes
        # Last in, first out: a short slice does not touch the memory of all of them.
        self._free: queue.LifoQueue[memoryview] = queue.LifoQueue()
        for _ in range(count):
            self._free.put(memoryview(b""))

    def acquire(self) -> memoryview:
        """Return a buffer with arbitrary content.

        Raises:
            queue.ShutDown: the buffers are closed.
        """
        return self._free.get() or memoryview(bytearray(self._buffer_bytes))

    def release(self, buffer: memoryview) -> None:
        """Take a buffer back."""
        with suppress(queue.ShutDown):
            self._free.put(buffer)

    def close(self) -> None:
        """Lend nothing from now on, and wake whoever waits."""
        self._free.shutdown(immediate=True)
