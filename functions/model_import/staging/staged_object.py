"""What an object under the staging prefix says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model_import.manifest import RepositoryFile, Source


def object_metadata(source: Source, file: RepositoryFile, sha256: str) -> dict[str, str]:
    """Return what is written beside a file: its hashes, and where it comes from."""
    return {
        "sha256": sha256,
        "blob-id": file.blob_id,
        "source-repository": source.repo_id,
        "source-commit": source.commit,
        "source-path": quote(file.path),  # S3 takes ASCII only
    }


@dataclass(frozen=True, slots=True)
class StagedObject:
    """An object as it lies in the bucket; `metadata` is what `object_metadata` returned."""

    size_bytes: int
    metadata: Mapping[str, str]

    def sha256_if(self, file: RepositoryFile) -> str | None:
        """Return the object's SHA-256 if its size and hash are those of the file."""
        sha256 = self.metadata.get("sha256")
        if file.sha256 is None:
            is_same = self.metadata.get("blob-id") == file.blob_id
        else:
            is_same = sha256 == file.sha256
        return sha256 if is_same and self.size_bytes == file.size_bytes else None
