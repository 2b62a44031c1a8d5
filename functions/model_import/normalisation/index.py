"""model.safetensors.index.json: with no more metadata than Bedrock takes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from model_import.model_files.names import CONFIG, INDEX

if TYPE_CHECKING:
    from model_import.normalisation.document import Document, StagedCopy

_ACCEPTED: Final = "total_size"
"""AWS ML blog, 2025-11-25, of GPT-OSS: metadata must be there, and other keys in it removed."""


def normalise_index(copy: StagedCopy) -> None:
    """Leave `metadata` in the index, and in it the total size alone."""
    config = copy.read(CONFIG) or {}
    copy.edit(INDEX, partial(_reduce_metadata, matters=config.get("model_type") == "gpt_oss"))


def _reduce_metadata(document: Document, *, matters: bool) -> None:
    found = document.root.get("metadata")
    metadata = found if isinstance(found, dict) else {}
    accepted = {key: value for key, value in metadata.items() if key == _ACCEPTED}
    if found != accepted:
        document.put(
            "metadata",
            accepted,
            "Bedrock asks for metadata in the index, and takes nothing in it but the total size.",
            matters=matters,
        )
