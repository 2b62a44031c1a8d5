"""Reads bodies from the socket directly into the caller's buffer.

The `readinto` of urllib3 creates `bytes` and copies them, which takes a tenth of the CPU time of
moving a byte from the Hub to S3. This module uses only those internals of urllib3 that its own
reads use.
"""

from __future__ import annotations

import http.client
import io
from http.client import IncompleteRead
from typing import TYPE_CHECKING, Any, cast

from urllib3 import HTTPResponse

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator


class DirectResponse(HTTPResponse):
    """A response that differs from urllib3's in how it fills a buffer."""

    def readinto(self, b: bytearray | memoryview[int]) -> int:
        """Return how many bytes were read into the buffer; 0 is the end of the body.

        Raises:
            urllib3.exceptions.HTTPError: the body ended early, or the connection failed.
        """
        with self._error_catcher():
            return self._receive(b)

    def readinto_each(self, next_buffer: Callable[[], memoryview]) -> Iterator[int]:
        """Yield what `readinto` returns for each buffer, until it would be 0.

        A caller that stops before the end loses the connection.
        """
        with self._error_catcher():
            while count := self._receive(next_buffer()):
                yield count

    def _receive(self, buffer: bytearray | memoryview[int]) -> int:
        count = 0 if self._fp is None or self._fp.closed else self._fp.readinto(buffer)
        if count == 0 and self.length_remaining:
            raise IncompleteRead(b"", self.length_remaining)
        if self.length_remaining is not None:
            self.length_remaining -= count
        return count


def read_directly(response: HTTPResponse) -> DirectResponse:
    """Turn a response that has just arrived into a DirectResponse; return it."""
    response.__class__ = DirectResponse
    return cast("DirectResponse", response)


class SecureHttpResponse(http.client.HTTPResponse):
    """A response over TLS that reads as many records at a time as fit in the buffer."""

    def __init__(self, sock: socket.socket, *args: Any, **settings: Any) -> None:  # noqa: ANN401 as the base
        super().__init__(sock, *args, **settings)
        self.fp = io.BufferedReader(TlsRecords(sock, self.fp.detach()))


class TlsRecords(io.RawIOBase):
    """Reads from a TLS connection; a record has at most 16 KiB.

    A BufferedReader asks `socket.SocketIO` for one record at a time, and these calls cost a
    twentieth of the CPU time of moving a byte.
    """

    def __init__(self, connected: socket.socket, opened: io.RawIOBase) -> None:
        """Read from a socket; `opened` is the result of its `makefile`, to close at the end."""
        self._receive_into = connected.recv_into
        self._opened = opened

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # the only type passed
        """Fill a large buffer, or read one record into a small one: no more may arrive."""
        left = memoryview(buffer)
        if len(left) <= io.DEFAULT_BUFFER_SIZE:
            return self._receive_into(left)
        while left and (count := self._receive_into(left)):
            left = left[count:]
        return len(buffer) - len(left)

    def close(self) -> None:
        """Close what `makefile` returned: closing the last one closes the socket."""
        super().close()
        self._opened.close()
