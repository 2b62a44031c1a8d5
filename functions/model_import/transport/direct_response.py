"""Bodies that are read from the socket into the reader's buffer itself.

urllib3's own `readinto` makes `bytes` of what comes and copies them, which is a tenth of the CPU
time that moving a byte from the Hub to S3 takes. What is used of urllib3's inside here is what its
own reads use.
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
        """Return how many bytes came into the buffer; 0 is the end of the body.

        Raises:
            urllib3.exceptions.HTTPError: the body ended early, or the connection failed.
        """
        with self._error_catcher():
            return self._receive(b)

    def readinto_each(self, next_buffer: Callable[[], memoryview]) -> Iterator[int]:
        """Yield what `readinto` returns for each of the buffers, until it would be 0.

        Whoever does not read on to the end loses the connection.
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
    """Make a response that has just come a DirectResponse; return it."""
    response.__class__ = DirectResponse
    return cast("DirectResponse", response)


class SecureHttpResponse(http.client.HTTPResponse):
    """A response over TLS that takes as many records at a time as there is room for."""

    def __init__(self, sock: socket.socket, *args: Any, **settings: Any) -> None:  # noqa: ANN401 as the base
        super().__init__(sock, *args, **settings)
        self.fp = io.BufferedReader(TlsRecords(sock, self.fp.detach()))


class TlsRecords(io.RawIOBase):
    """What comes over a TLS connection; a record has 16 KiB at most.

    A BufferedReader asks `socket.SocketIO` for one record after another, and the calls in between
    cost a twentieth of the CPU time that moving a byte takes.
    """

    def __init__(self, connected: socket.socket, opened: io.RawIOBase) -> None:
        """Read from a socket; `opened` is what its `makefile` made, to be closed at the end."""
        self._receive_into = connected.recv_into
        self._opened = opened

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # all that is given
        """Fill a large buffer, or bring what one record has, which may be all that will come."""
        left = memoryview(buffer)
        if len(left) <= io.DEFAULT_BUFFER_SIZE:
            return self._receive_into(left)
        while left and (count := self._receive_into(left)):
            left = left[count:]
        return len(buffer) - len(left)

    def close(self) -> None:
        """Close what `makefile` made: the socket goes with its last one."""
        super().close()
        self._opened.close()
