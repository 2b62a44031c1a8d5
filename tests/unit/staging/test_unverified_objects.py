"""An object read back in ranges over connections that drop."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from botocore.exceptions import ConnectionClosedError, ResponseStreamingError
from support.worlds.loopback_transfer import bytes_of, no_sleep

from model_import.staging.unverified_objects import WholeObject
from model_import.transport.retries import Retries

CONTENT = bytes_of(1000)


class Body(io.BytesIO):
    """Breaks off after so many bytes."""

    def __init__(self, content: bytes, breaks_after: int | None) -> None:
        super().__init__(content if breaks_after is None else content[:breaks_after])
        self._breaks = breaks_after is not None

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 any buffer
        count = super().readinto(buffer)
        if not count and self._breaks:
            raise ResponseStreamingError(error="broken")
        return count


@dataclass
class Bucket:
    """Serves ranges of one object, the first ones broken off as told."""

    breaks_after: list[int | None]
    requests: list[dict[str, Any]] = field(default_factory=list)
    meta: Any = field(default_factory=lambda: type("Meta", (), {"endpoint_url": "http://s3"}))

    def get_object(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 as boto3 takes it
        self.requests.append(request)
        first, last = map(int, request["Range"].removeprefix("bytes=").split("-"))
        breaks_after = self.breaks_after.pop(0) if self.breaks_after else None
        return {"Body": Body(CONTENT[first : last + 1], breaks_after)}


def read(bucket: Bucket, start: int, length: int) -> tuple[bytes, int]:
    """Return what was read, and how many bytes were told of."""
    whole = WholeObject(
        cast("Any", bucket),
        {"Bucket": "staging", "Key": "a", "IfMatch": '"etag"'},
        len(CONTENT),
        Retries(3, threading.Event(), no_sleep),
    )
    content, told = bytearray(length), [0]

    def arrived(count: int) -> None:
        told[0] += count

    whole.read_into(start, memoryview(content), arrived)
    return bytes(content), told[0]


def test_a_range_is_read_of_the_object_as_it_was_found() -> None:
    bucket = Bucket([])

    assert read(bucket, 100, 50) == (CONTENT[100:150], 50)

    (request,) = bucket.requests
    assert (request["Range"], request["IfMatch"]) == ("bytes=100-149", '"etag"')


def test_after_a_drop_the_read_goes_on_from_the_byte_that_it_had_reached() -> None:
    bucket = Bucket([20, 0, 5])

    assert read(bucket, 100, 50) == (CONTENT[100:150], 50)

    ranges = [request["Range"] for request in bucket.requests]
    assert ranges == ["bytes=100-149", "bytes=120-149", "bytes=120-149", "bytes=125-149"]


def test_drops_without_a_byte_between_them_end_the_read() -> None:
    bucket = Bucket([20, 0, 0, 0])

    with pytest.raises(ConnectionClosedError):
        read(bucket, 100, 50)

    assert len(bucket.requests) == 4
