"""generation_config.json: with the ids that end a turn of GPT-OSS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model_import.preflight.configuration import CONFIG

if TYPE_CHECKING:
    from model_import.normalisation.document import Document, StagedCopy

_GENERATION: Final = "generation_config.json"

_GPT_OSS_ENDS: Final = [200002, 199999, 200012]
"""<|return|>, <|endoftext|>, <|call|>: the FAQ of Custom Model Import, 2026-10-05."""


def normalise_generation(copy: StagedCopy) -> None:
    """Complete the end-of-turn ids of GPT-OSS; no other family needs a change."""
    config = copy.read(CONFIG)
    if config is not None and config.get("model_type") == "gpt_oss":
        copy.edit(_GENERATION, _complete_ends)


def _complete_ends(document: Document) -> None:
    found = document.root.get("eos_token_id")
    ends = found if isinstance(found, list) else [found]
    if any(end not in ends for end in _GPT_OSS_ENDS):
        document.put(
            "eos_token_id",
            _GPT_OSS_ENDS,
            "Without all three, Bedrock's runtime fails when the model is invoked.",
        )
