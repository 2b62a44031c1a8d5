"""A local Hub that serves Llama 3 70B as published: 30 shards with their real headers.

The weights are holes in sparse files: 141 GB to a reader, and a few hundred kB on disk.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from support.checkpoints.published_models import published_models
from support.fakes.fake_repository import FakeFile

from model_import_cli.folder_hub.repositories import (
    LfsPointer,
    Repository,
    RepositoryFile,
    Snapshot,
)
from model_import_cli.folder_hub.server import LocalHub

if TYPE_CHECKING:
    from pathlib import Path

REPO_ID: Final = "meta-llama/Meta-Llama-3-70B-Instruct"
TOKENS: Final = 128_000
MERGES: Final = 280_147
TOKENIZER_BYTES: Final = 9_085_657
# From the tokenizer.json of Llama 3.2 1B, as listed in public code (2026-11-24).
_COMMIT: Final = "5fcb2901844dde3111159f24205b71c25900ffbd"


@dataclass(frozen=True, slots=True)
class _Listed(Repository):
    """A repository with a given listing, so that 141 GB need not be hashed."""

    listing: Snapshot | None = None

    def snapshot(self, revision: str) -> Snapshot | None:
        """Return the only commit, for any revision."""
        return self.listing if revision in {"main", _COMMIT} else None

    def large_file(self, path: str, sha256: str) -> RepositoryFile | None:
        """Return a shard."""
        file = self.listing.files.get(path) if self.listing else None
        return file if file and file.lfs and file.lfs.sha256 == sha256 else None


def llama_70b_hub(folder: Path, latency_seconds: float = 0) -> LocalHub:
    """Write the files into the folder and return the Hub that serves them."""
    files = published_models()[REPO_ID].files()
    files["tokenizer.json"] = _tokenizer()
    listing = {}
    for path, given in files.items():
        file = FakeFile(given, len(given)) if isinstance(given, bytes) else given
        location = folder / path
        location.parent.mkdir(parents=True, exist_ok=True)
        with location.open("wb") as opened:
            opened.write(file.content)
            opened.truncate(file.size_bytes)
        listing[path] = _listed(path, location, file)
    snapshot = Snapshot(_COMMIT, listing, {})
    repository = _Listed(REPO_ID, folder, listing=snapshot)
    return LocalHub([repository], latency_seconds=latency_seconds)


def _listed(path: str, location: Path, file: FakeFile) -> RepositoryFile:
    sha256 = hashlib.sha256(file.content).hexdigest()
    lfs = LfsPointer(sha256, file.size_bytes) if path.endswith(".safetensors") else None
    return RepositoryFile(path, location, file.size_bytes, sha256[:40], lfs)


def _tokenizer() -> bytes:
    """Return a tokenizer.json of the published length, layout and number of entries."""
    model = published_models()[REPO_ID]
    added = [{"id": number, "content": token} for token, number in model.given["tokens"].items()]
    words = ",\n".join(f'      "{number:08x}": {number}' for number in range(TOKENS))
    pairs = ",\n".join(f'      "{number:05x} {number % 4096:04x}"' for number in range(MERGES))
    head = (
        f'{{\n  "version": "1.0",\n  "added_tokens": {json.dumps(added)},\n  "model": {{\n'
        f'    "type": "BPE",\n    "vocab": {{\n{words}\n    }},\n    "merges": [\n{pairs}'
    )
    end = "\n    ]\n  }\n}"
    return (head + " " * (TOKENIZER_BYTES - len(head) - len(end)) + end).encode()
