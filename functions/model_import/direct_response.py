"""Bodies that are read from the socket into the reader's buffer itself.

urllib3's own `readinto` makes `bytes` of what comes and copies them, which is a tenth of the CPU
time that moving a byte from the Hub to S3 takes. What is used of urllib3's inside here is what its
own reads use.
"""

from __future__ import annotations

from http.client import IncompleteRead

from urllib3 import HTTPResponse


class DirectResponse(HTTPResponse):
    """A response that differs from urllib3's in how `readinto` does what it does."""

    def readinto(self, b: bytearray | memoryview[int]) -> int:
        """Return how many bytes came into the buffer; 0 is the end of the body.

        Raises:
            urllib3.exceptions.HTTPError: the body ended early, or the connection failed.
        """
        with self._error_catcher():
            count = 0 if self._fp is None or self._fp.closed else self._fp.readinto(b)
            if count == 0 and self.length_remaining:
                raise IncompleteRead(b"", self.length_remaining)
        if self.length_remaining is not None:
            self.length_remaining -= count
        return count


def read_directly(response: HTTPResponse) -> HTTPResponse:
    """Make a response that has just come a DirectResponse; return it."""
    response.__class__ = DirectResponse
    return response
