"""The SHA-256 of an object in S3, read back in ranges by the threads of a transfer."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

from model_import.checksums.file_hash import OrderedSha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from model_import.staging.unverified_objects import WholeObject
    from model_import.transfer.file_transfer import Route
    from model_import.transfer.part_queue import Work


class ReadBack:
    """Hashes an object in order while its ranges arrive in any order; calls `then` with the hash.

    It uses the part buffers: a range that arrives before its turn keeps its buffer, and the ranges
    in flight are always the first ones left.
    """

    def __init__(
        self,
        whole: WholeObject,
        ranges: Sequence[range],
        route: Route,
        then: Callable[[str], None],
    ) -> None:
        self._whole = whole
        self._ranges = ranges
        self._route = route
        self._then = then
        self._sha256 = OrderedSha256()
        self._lock = threading.Lock()
        self._left = len(ranges)

    def works(self) -> Iterator[Work]:
        """Return the ranges, in order, for the queue."""
        return (partial(self._read, index) for index in range(len(self._ranges)))

    def _read(self, index: int, buffer: memoryview) -> None:
        where = self._ranges[index]
        content = buffer[: len(where)]
        self._whole.read_into(where.start, content, self._route.tally.verified)
        self._sha256.add(index, content, lambda _: self._hashed(buffer))

    def _hashed(self, buffer: memoryview) -> None:
        self._route.buffers.release(buffer)
        with self._lock:
            self._left -= 1
            is_last = self._left == 0
        if is_last:
            self._then(self._sha256.hexdigest())
