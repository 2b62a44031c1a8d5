"""The small files of a model as Bedrock's transformers reads them right, with each change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from model_import.normalisation.configuration import normalise_configuration
from model_import.normalisation.document import Change, StagedCopy
from model_import.normalisation.generation import normalise_generation
from model_import.normalisation.index import normalise_index
from model_import.normalisation.processor import normalise_processor
from model_import.normalisation.tokenizer import normalise_tokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Change", "Normalised", "normalise"]


@dataclass(frozen=True, slots=True)
class Normalised:
    """What to stage, by name, and what makes it differ from the repository."""

    files: dict[str, bytes]
    changes: tuple[Change, ...]


def normalise(files: Mapping[str, bytes]) -> Normalised:
    """Return the small files of a repository as they are to be staged.

    What needs no change stays byte for byte. What is no JSON object stays as well: preflight is
    where that is reported.
    """
    copy = StagedCopy(dict(files))
    normalise_configuration(copy)
    normalise_tokenizer(copy)
    normalise_processor(copy)
    normalise_index(copy)
    normalise_generation(copy)
    return Normalised(copy.files, tuple(copy.changes))
