"""Tiny checkpoints of every family as repositories, as two versions of transformers saved them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from support.checkpoints.published_models import weights_file
from support.fakes.fake_repository import FIRST_SHARD, SECOND_SHARD, to_json

from model_import.model_files.names import INDEX

if TYPE_CHECKING:
    from support.fakes.fake_repository import Files

_DATA: Final = Path(__file__).parents[2] / "unit" / "data"

type Tensors = dict[str, tuple[str, tuple[int, ...]]]
type Shards = dict[str, Tensors]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model in two shards, as its publisher would upload it."""

    case: str
    config: dict[str, Any]
    tensors: Tensors

    @property
    def victim(self) -> str:
        """Return the tensor to damage: it differs between cases, and is the same in each run."""
        names = sorted(self.tensors)
        return names[crc32(self.case.encode()) % len(names)]

    def shards(self) -> Shards:
        """Return the tensors by shard."""
        items = list(self.tensors.items())
        half = len(items) // 2
        return {FIRST_SHARD: dict(items[:half]), SECOND_SHARD: dict(items[half:])}

    def files(self) -> Files:
        shards = self.shards()
        weights = {path: weights_file(tensors) for path, tensors in shards.items()}
        index = {
            "metadata": {
                "total_size": sum(f.size_bytes - len(f.content) for f in weights.values())
            },
            "weight_map": {name: path for path, tensors in shards.items() for name in tensors},
        }
        vocabulary = {f"token-{number}": number for number in range(48)}
        return {
            "config.json": to_json(self.config),
            "tokenizer.json": to_json({"added_tokens": [], "model": {"vocab": vocabulary}}),
            "tokenizer_config.json": to_json({"tokenizer_class": "PreTrainedTokenizerFast"}),
            INDEX: to_json(index),
            **weights,
        }


@cache
def checkpoints() -> tuple[Checkpoint, ...]:
    """Return every checkpoint that Bedrock's version of transformers, or version 5, saved."""
    return tuple(
        Checkpoint(
            f"{case} ({recorded['config']['transformers_version']})",
            recorded["config"],
            {name: ("F32", tuple(shape)) for name, shape in recorded["tensors"].items()},
        )
        for file in ("family_headers.json", "family_headers_5.json")
        for case, recorded in json.loads(_DATA.joinpath(file).read_text(encoding="utf-8")).items()
        if "tensors" in recorded
    )
