"""A part of an upload that S3 holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UploadedPart:
    """A part that S3 has confirmed; numbers begin at 1."""

    number: int
    etag: str
    crc: int
    length: int
