"""How far the hash of an unfinished upload is, saved for the task that resumes the upload.

CRC-64 proves that the hashed bytes are the stored bytes: the checkpoint has the CRC of the hashed
bytes, and S3 has the CRCs of the stored parts.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model_import.staging.objects import UploadedPart

from model_import.checksums.crc64 import joined_crc64

PREFIX = "checkpoints/"
"""The prefix before the key of the future object; expires in a day, as the upload does."""


@dataclass(frozen=True, slots=True)
class HashCheckpoint:
    """The first `parts` parts of an upload are stored; `sha256_state` is the hash after them."""

    upload_id: str
    parts: int
    crc: int
    sha256_state: str

    def to_json(self) -> bytes:
        """Return the content of the object in S3."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, content: bytes) -> HashCheckpoint | None:
        """Read what `to_json` wrote; return None for anything else."""
        try:
            data: dict[str, Any] = json.loads(content)
            return cls(
                upload_id=str(data["upload_id"]),
                parts=int(data["parts"]),
                crc=int(data["crc"]),
                sha256_state=str(data["sha256_state"]),
            )
        except (KeyError, TypeError, ValueError):
            return None

    def is_of(self, upload_id: str, stored: Mapping[int, UploadedPart]) -> bool:
        """Return whether the stored parts of this upload, by index, are the hashed bytes."""
        prefix = [stored.get(index) for index in range(self.parts)]
        parts = [part for part in prefix if part is not None]
        return (
            self.upload_id == upload_id
            and len(parts) == self.parts
            and joined_crc64((part.crc, part.length) for part in parts) == self.crc
        )
