"""generation_config.json: with the ids at which Bedrock's runtime ends a turn of GPT-OSS."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from model_import.bedrock.rules import bedrock_rules
from model_import.model_files.names import CONFIG, GENERATION

if TYPE_CHECKING:
    from model_import.normalisation.document import Document, StagedCopy

_WHY: Final = "Without all of these, Bedrock's runtime fails when the model is invoked."


def normalise_generation(copy: StagedCopy) -> None:
    """Complete the end-of-turn ids of a family whose ids Bedrock's runtime asks for."""
    config = copy.read(CONFIG) or {}
    row = bedrock_rules().architecture(str(config.get("model_type")))
    if row is None or not row.required_end_ids:
        return
    if GENERATION in copy.files:
        copy.edit(GENERATION, partial(_complete_ends, row.required_end_ids))
    else:
        ends = _completed(row.required_end_ids, config.get("eos_token_id"))
        copy.create(GENERATION, {"eos_token_id": ends}, _WHY)


def _complete_ends(required: tuple[int, ...], document: Document) -> None:
    found = document.root.get("eos_token_id")
    if not isinstance(found, list) or any(end not in found for end in required):
        document.put("eos_token_id", _completed(required, found), _WHY)


def _completed(required: tuple[int, ...], found: object) -> list[object]:
    """Return the required ids, and behind them the others that the publisher states."""
    stated = found if isinstance(found, list) else [] if found is None else [found]
    return [*required, *(end for end in stated if end not in required)]
