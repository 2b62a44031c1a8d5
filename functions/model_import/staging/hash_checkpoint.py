"""How far the hash of an unfinished upload is, kept beside the upload for whoever goes on with it.

What has been hashed is bound to what is stored by the CRC-64 of both: the checkpoint has the one of
the bytes that were hashed, S3 has those of the parts that it holds.
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
"""Before the key of the object that is to be; expires in a day, as its upload does."""


@dataclass(frozen=True, slots=True)
class HashCheckpoint:
    """The first `parts` parts of an upload are stored, and hashed to `sha256_state`."""

    upload_id: str
    parts: int
    crc: int
    sha256_state: str

    def to_json(self) -> bytes:
        """Return what lies in S3."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, content: bytes) -> HashCheckpoint | None:
        """Read what `to_json` wrote; None when it is something else."""
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
        """Return whether the parts that S3 holds are the bytes that were hashed; by index."""
        prefix = [stored.get(index) for index in range(self.parts)]
        parts = [part for part in prefix if part is not None]
        return (
            self.upload_id == upload_id
            and len(parts) == self.parts
            and joined_crc64((part.crc, part.length) for part in parts) == self.crc
        )
