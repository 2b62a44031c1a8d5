"""Reads a file from a server that ignores Range: one body, in the order of the file."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from model_import.sources.hub.range_read import CHUNK_BYTES
from model_import.transport.pools import PoolsClosedError
from model_import.transport.retries import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from model_import.sources.hub.range_read import RangeRead
    from model_import.transport.direct_response import DirectResponse
    from model_import.transport.pools import Cut

_POLL_SECONDS: Final = 0.1


class WholeFileStream:
    """Lets each range read when the one before it is done; `open_whole` requests the file.

    Parts are taken in order, and each already has its buffer, so the next range can always
    continue. After a drop, the body is requested again, and the known bytes are skipped.
    """

    def __init__(
        self, open_whole: Callable[[Cut], DirectResponse], is_closed: Callable[[], bool]
    ) -> None:
        self._open_whole = open_whole
        self._is_closed = is_closed
        self._turn = threading.Condition()
        self._passed: dict[int, int] = {}
        self._passed_to = 0
        self._is_taken = False
        self._response: DirectResponse | None = None
        self._position = 0
        self.furthest = 0

    def note_complete(self, read: RangeRead) -> None:
        """Note that a range is complete, however it was read."""
        if read.after is None:
            return
        with self._turn:
            self._passed[read.after] = read.end
            while (end := self._passed.pop(self._passed_to, None)) is not None:
                self._passed_to = end
            self._turn.notify_all()

    @contextmanager
    def turn(self, read: RangeRead) -> Iterator[None]:
        """Wait until the earlier ranges have been read, and keep later ranges waiting."""
        with self._turn:
            while self._is_taken or read.after not in (None, self._passed_to):
                # Closing and abandoning do not notify this condition.
                self._turn.wait(_POLL_SECONDS)
                read.check()
                if self._is_closed():
                    raise PoolsClosedError
            self._is_taken = True
        try:
            yield
        finally:
            if read.after is None:
                self.close()
            with self._turn:
                self._is_taken = False
                self._turn.notify_all()

    def read_on(self, read: RangeRead, cut: Cut) -> None:
        """Read the range to its end, within its turn; `furthest` says how far a failed read got.

        Raises:
            TransientError, urllib3.exceptions.HTTPError: the body ended early, or was cut.
        """
        response = self._opened(read, cut)
        is_whole = False
        try:
            while self._position < read.position:
                scratch = memoryview(bytearray(min(CHUNK_BYTES, read.position - self._position)))
                self._take(response, scratch, read.moved)
            while read.left:
                self._take(response, read.left[:CHUNK_BYTES], read.advance)
            is_whole = True
        finally:
            if not is_whole:
                self.close()

    def close(self) -> None:
        """Close the open body."""
        response, self._response = self._response, None
        if response is not None:
            response.close()

    def _opened(self, read: RangeRead, cut: Cut) -> DirectResponse:
        if self._response is None or self._position > read.position:
            self.close()
            self._response, self._position = self._open_whole(cut), 0
        else:
            cut.bind(getattr(self._response.connection, "sock", None))
        return self._response

    def _take(
        self, response: DirectResponse, into: memoryview, took: Callable[[int], None]
    ) -> None:
        count = response.readinto(into)
        if not count:
            raise TransientError("the body ended before the end of the file")
        self._position += count
        self.furthest = max(self.furthest, self._position)
        took(count)
