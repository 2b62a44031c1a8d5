"""CRC-64/NVME: the checksum that S3 keeps of a whole object, combined from those of its parts."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from awscrt.checksums import combine_crc64nvme, crc64nvme

if TYPE_CHECKING:
    from collections.abc import Buffer, Iterable


def crc64(content: Buffer) -> int:
    """Return the CRC of bytes in memory."""
    crc: int = crc64nvme(content)
    return crc


def joined_crc64(parts: Iterable[tuple[int, int]], before: int = 0) -> int:
    """Return the CRC of the whole from the (CRC, length in bytes) of its parts, in order.

    `before` is the CRC of the bytes before these parts.
    """
    whole = before
    for crc, length in parts:
        whole = combine_crc64nvme(whole, crc, length)
    return whole


def crc64_base64(crc: int) -> str:
    """Return the CRC in the form that S3 uses."""
    return base64.b64encode(crc.to_bytes(8, "big")).decode()


def crc64_from_base64(text: str) -> int:
    """Read a CRC from the form that S3 uses."""
    return int.from_bytes(base64.b64decode(text), "big")
