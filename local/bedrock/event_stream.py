"""AWS event streams: each function returns one framed message with checksums."""

from __future__ import annotations

import struct
import zlib

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_PRELUDE_BYTES = 8
_CHECKSUM_BYTES = 4
_STRING_HEADER = 7


def event_message(event_type: str, payload: bytes) -> bytes:
    """Return the message of one event with a JSON payload."""
    return _message({":event-type": event_type, ":message-type": "event"}, payload)


def exception_message(exception_type: str, payload: bytes) -> bytes:
    """Return the message that ends a stream with a modelled exception (lower camel case)."""
    return _message({":exception-type": exception_type, ":message-type": "exception"}, payload)


def _message(headers: dict[str, str], payload: bytes) -> bytes:
    encoded = b"".join(
        _header(name, value)
        for name, value in (headers | {":content-type": "application/json"}).items()
    )
    total_bytes = _PRELUDE_BYTES + _CHECKSUM_BYTES + len(encoded) + len(payload) + _CHECKSUM_BYTES
    prelude = struct.pack(">II", total_bytes, len(encoded))
    message = prelude + _checksum(prelude) + encoded + payload
    return message + _checksum(message)


def _header(name: str, value: str) -> bytes:
    text = value.encode()
    return (
        struct.pack(">B", len(name))
        + name.encode()
        + struct.pack(">BH", _STRING_HEADER, len(text))
        + text
    )


def _checksum(data: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(data))
