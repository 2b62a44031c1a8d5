"""Edits the small files of a model so that Bedrock's transformers reads them correctly."""

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
    """The small files to stage by name, and what was changed in them."""

    files: dict[str, bytes]
    changes: tuple[Change, ...]


def normalise(files: Mapping[str, bytes]) -> Normalised:
    """Return the small files of a repository as they are staged.

    A file that needs no change stays byte for byte. So does a file that is not a JSON object:
    preflight reports it.
    """
    copy = StagedCopy(dict(files))
    normalise_configuration(copy)
    normalise_tokenizer(copy)
    normalise_processor(copy)
    normalise_index(copy)
    normalise_generation(copy)
    return Normalised(copy.files, tuple(copy.changes))
