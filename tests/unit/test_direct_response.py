"""Bodies read into the buffer itself, and what becomes of those that end early."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from scripted_server import Answer, scripted_server
from urllib3.exceptions import ProtocolError

from model_import.direct_response import DirectResponse
from model_import.http_pools import HttpPools

if TYPE_CHECKING:
    from collections.abc import Iterator

    from urllib3 import BaseHTTPResponse


@contextmanager
def response_to(answer: Answer) -> Iterator[BaseHTTPResponse]:
    pools = HttpPools(connections=1, connect_timeout_seconds=5, read_timeout_seconds=5)
    with scripted_server(answer) as server:
        yield pools.request("GET", server.url, headers={})
        pools.close()


def test_a_body_is_read_into_the_buffer_step_by_step_until_its_end() -> None:
    with response_to(Answer(body=b"0123456789")) as response:
        buffer = memoryview(bytearray(10))
        steps = [
            response.readinto(buffer[:4]),
            response.readinto(buffer[4:8]),
            response.readinto(buffer[8:]),
            response.readinto(buffer),
        ]

    assert isinstance(response, DirectResponse)
    assert steps == [4, 4, 2, 0]
    assert bytes(buffer) == b"0123456789"


def test_a_body_that_ends_before_its_announced_length_is_an_error() -> None:
    with response_to(Answer(headers={"Content-Length": "9"}, body=b"01234")) as response:
        buffer = memoryview(bytearray(9))

        assert response.readinto(buffer) == 5
        with pytest.raises(ProtocolError, match="4 more expected"):
            response.readinto(buffer[5:])
