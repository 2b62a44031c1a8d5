"""Reads from the bucket the progress that the transfer tasks of one execution report."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from model_import.transfer.slice_progress import SliceProgress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client

_READ_SECONDS: Final = 0.5


@dataclass(slots=True)
class SliceProgressReader:
    """Reads `imports/<execution>/progress/` at most twice a second."""

    s3: S3Client
    bucket: str
    execution_name: str
    _read_at: float = field(default=float("-inf"), init=False)
    _etags: dict[str, str] = field(default_factory=dict, init=False)

    def changes(self, *, at_once: bool = False) -> Mapping[int, SliceProgress]:
        """Return the progress that has changed since the last call, by slice number."""
        now = time.monotonic()
        if now - self._read_at < _READ_SECONDS and not at_once:
            return {}
        self._read_at = now
        prefix = f"imports/{self.execution_name}/progress/"
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        changed = [entry for entry in listed if self._etags.get(entry["Key"]) != entry["ETag"]]
        self._etags |= {entry["Key"]: entry["ETag"] for entry in changed}
        numbers = {
            int(key.removeprefix(prefix).removesuffix(".json")): key
            for key in (entry["Key"] for entry in changed)
        }
        return {number: self._read(numbers[number]) for number in sorted(numbers)}

    def _read(self, key: str) -> SliceProgress:
        body = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return SliceProgress.from_dict(json.loads(body))
