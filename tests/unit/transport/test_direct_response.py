"""Bodies read into the buffer itself, and what becomes of those that end early."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest
from support.servers.certificates import self_signed
from support.servers.scripted_server import Answer, scripted_server
from urllib3.exceptions import ProtocolError

from model_import.transport.direct_response import DirectResponse, TlsRecords
from model_import.transport.pools import HttpPools

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

    from urllib3 import BaseHTTPResponse

    type Tls = tuple[ssl.SSLContext, Path]

RECORD: Final = 16 * 1024
LONG: Final = bytes(range(256)) * 400
"""Several records of TLS, and no whole number of them."""


@pytest.fixture(params=["plain", "TLS"])
def tls(request: pytest.FixtureRequest, tmp_path: Path) -> Tls | None:
    return None if request.param == "plain" else self_signed(tmp_path)


@contextmanager
def response_to(answer: Answer, tls: Tls | None) -> Iterator[BaseHTTPResponse]:
    context, bundle = tls or (None, None)
    pools = HttpPools(
        connections=1,
        connect_timeout_seconds=5,
        read_timeout_seconds=5,
        ca_bundle=str(bundle) if bundle else None,
    )
    with scripted_server(answer, tls=context) as server:
        yield pools.request("GET", server.url, headers={})
        pools.close()


def test_a_body_is_read_into_the_buffer_step_by_step_until_its_end(
    tls: Tls | None,
) -> None:
    with response_to(Answer(body=LONG), tls) as response:
        buffer = memoryview(bytearray(len(LONG)))
        steps = [
            response.readinto(buffer[:4]),
            response.readinto(buffer[4:60_000]),
            response.readinto(buffer[60_000:]),
            response.readinto(buffer),
        ]

    assert isinstance(response, DirectResponse)
    assert steps == [4, 59_996, len(LONG) - 60_000, 0]
    assert bytes(buffer) == LONG


def test_a_body_that_ends_before_its_announced_length_is_an_error(
    tls: Tls | None,
) -> None:
    announced = {"Content-Length": str(len(LONG) + 4)}
    with response_to(Answer(headers=announced, body=LONG), tls) as response:
        buffer = memoryview(bytearray(len(LONG) + 4))

        assert response.readinto(buffer) == len(LONG)
        with pytest.raises(ProtocolError, match="4 more expected"):
            response.readinto(buffer[len(LONG) :])


class Records:
    """A TLS socket as far as it is read: one record at a time, until the other side closes."""

    def __init__(self, content: bytes, *, is_kept_open: bool = False) -> None:
        self.content = content
        self.is_kept_open = is_kept_open

    def recv_into(self, buffer: memoryview) -> int:
        if self.is_kept_open and not self.content:
            raise TimeoutError
        count = min(RECORD, len(buffer), len(self.content))
        buffer[:count], self.content = self.content[:count], self.content[count:]
        return count


@pytest.mark.parametrize(
    ("size_bytes", "brought"),
    [(100, 100), (8192, 8192), (40_000, 40_000), (len(LONG), len(LONG)), (200_000, len(LONG))],
)
def test_one_read_brings_as_many_records_as_there_is_room_for(
    size_bytes: int, brought: int
) -> None:
    opened = io.BytesIO()
    records = TlsRecords(Records(LONG), opened)  # type: ignore[arg-type]  # a fake
    buffer = bytearray(size_bytes)

    assert records.readinto(buffer) == brought  # type: ignore[arg-type]  # as io.RawIOBase.read
    assert buffer[:brought] == LONG[:brought]
    records.close()
    assert opened.closed


def test_a_read_as_small_as_a_head_waits_for_no_second_record() -> None:
    socket = Records(b"HTTP/1.1 200 OK", is_kept_open=True)
    records = TlsRecords(socket, io.BytesIO())  # type: ignore[arg-type]  # a fake

    assert records.readinto(memoryview(bytearray(io.DEFAULT_BUFFER_SIZE))) == 15
