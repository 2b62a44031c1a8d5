"""model.safetensors.index.json: removes the metadata that Bedrock does not accept."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from model_import.model_files.names import CONFIG, INDEX

if TYPE_CHECKING:
    from model_import.normalisation.document import Document, StagedCopy

_ACCEPTED: Final = "total_size"
"""AWS ML blog, 2025-11-25, about GPT-OSS: metadata is required, and other keys must be removed."""


def normalise_index(copy: StagedCopy) -> None:
    """Give the index a `metadata` object with the total size and nothing else."""
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
            "Bedrock requires metadata in the index, and accepts only the total size in it.",
            matters=matters,
        )
