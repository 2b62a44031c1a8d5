"""generation_config.json: adds the ids at which Bedrock's runtime ends a turn of GPT-OSS."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from model_import.bedrock.rules import bedrock_rules
from model_import.model_files.names import CONFIG, GENERATION

if TYPE_CHECKING:
    from model_import.normalisation.document import Document, StagedCopy

_WHY: Final = "Without all of these ids, Bedrock's runtime fails when the model is invoked."


def normalise_generation(copy: StagedCopy) -> None:
    """Add the end-of-turn ids that Bedrock's runtime requires of a family."""
    config = copy.read(CONFIG) or {}
    row = bedrock_rules().architecture(str(config.get("model_type")))
    if row is None or not row.required_end_ids:
        return
    if GENERATION in copy.files:
        copy.edit(GENERATION, partial(_complete_end_ids, row.required_end_ids))
    else:
        ends = _with_required_ids(row.required_end_ids, config.get("eos_token_id"))
        copy.create(GENERATION, {"eos_token_id": ends}, _WHY)


def _complete_end_ids(required: tuple[int, ...], document: Document) -> None:
    found = document.root.get("eos_token_id")
    if not isinstance(found, list) or any(end not in found for end in required):
        document.put("eos_token_id", _with_required_ids(required, found), _WHY)


def _with_required_ids(required: tuple[int, ...], found: object) -> list[object]:
    """Return the required ids, then the others that the repository states."""
    stated = found if isinstance(found, list) else [] if found is None else [found]
    return [*required, *(end for end in stated if end not in required)]
