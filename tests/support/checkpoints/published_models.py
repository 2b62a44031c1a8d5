"""Published models as repositories in memory: their configuration and their safetensors headers.

unit/data/published_models.toml names the source of each figure.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from functools import cache
from itertools import product
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.fakes.fake_repository import FakeFile, to_json

from model_import.model_files.names import INDEX, SINGLE
from model_import.model_files.safetensors import DTYPE_BITS, LENGTH_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from support.fakes.fake_repository import Files, Tensors

_DATA = Path(__file__).parents[2] / "unit" / "data"
_OTHER_FILE = FakeFile(b"", 1_000_000_000)
_TEMPLATE = "{% for message in messages %}{{ message['content'] }}{{ eos_token }}{% endfor %}"


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """A model as data: what its repository states, and the tensors that it stores."""

    repo_id: str
    given: Mapping[str, Any]
    config: Mapping[str, Any]
    tensors: Tensors

    @property
    def tensor_bytes(self) -> int:
        return sum(_bytes_of(*tensor) for tensor in self.tensors.values())

    def errors(self) -> list[str]:
        """Return the codes of its errors; an importable model has none."""
        return sorted(self.given.get("errors", []))

    def warnings(self) -> set[str]:
        """Return the codes of warnings that it must have."""
        return set(self.given.get("warnings", []))

    def files(self) -> Files:
        """Return the whole repository."""
        files: Files = {
            "README.md": b"",
            "config.json": to_json(self.config),
            "tokenizer.json": to_json(self._tokenizer()),
            "tokenizer_config.json": to_json(self._tokenizer_config()),
            "generation_config.json": to_json(self.given.get("generation", {})),
        }
        return files | dict.fromkeys(self.given.get("files", ()), _OTHER_FILE) | self._weights()

    def _weights(self) -> Files:
        count = self.given.get("shards")
        if count is None:
            size = self.given.get("single_file_bytes")
            header_bytes = None if size is None else size - self.tensor_bytes - LENGTH_BYTES
            return {SINGLE: weights_file(self.tensors, header_bytes)}
        name = self.given.get("names", "model-{:05}-of-{:05}.safetensors")
        first = self.given.get("first", 1)
        shards = {
            name.format(number, first + count - 1): shard
            for number, shard in enumerate(self._shards(count), first)
        }
        weight_map = {tensor: path for path, shard in shards.items() for tensor in shard}
        index = {"metadata": {"total_size": self.tensor_bytes}, "weight_map": weight_map}
        return {INDEX: to_json(index)} | {
            path: weights_file(shard) for path, shard in shards.items()
        }

    def _shards(self, count: int) -> list[dict[str, tuple[str, tuple[int, ...]]]]:
        shards: list[dict[str, tuple[str, tuple[int, ...]]]] = [{} for _ in range(count)]
        total, position = self.tensor_bytes, 0
        for name, tensor in self.tensors.items():
            shards[position * count // total][name] = tensor
            position += _bytes_of(*tensor)
        return shards

    def _tokenizer(self) -> dict[str, Any]:
        tokens = self.given["tokens"]
        added = [
            {"id": number, "content": token, "special": True} for token, number in tokens.items()
        ]
        last = {"last": self.given["tokenizer"]["vocabulary"]}
        return {"version": "1.0", "added_tokens": added, "model": {"type": "BPE", "vocab": last}}

    def _tokenizer_config(self) -> dict[str, Any]:
        given = self.given["tokenizer"]
        special = {name: token for name, token in given.items() if name.endswith("_token")}
        template = {"chat_template": _TEMPLATE} if given["chat"] else {}
        return {"tokenizer_class": given["class"], **special, **template}


@cache
def published_models() -> dict[str, PublishedModel]:
    """Return all models by repository id."""
    with (_DATA / "published_models.toml").open("rb") as file:
        given = tomllib.load(file)["models"]
    recorded = json.loads((_DATA / "published_tensors.json").read_text(encoding="utf-8"))
    models: dict[str, PublishedModel] = {}
    for own in given:
        base = models.get(own.get("like", ""))
        inherited = ("tokenizer", "tokens", "generation", "warnings", "files")
        shared = {key: base.given[key] for key in inherited if base and key in base.given}
        config = {**(base.config if base else {}), **own.get("config", {}), **own.get("change", {})}
        for name in own.get("without", ()):
            del config[name]
        tensors = dict(_tensors(recorded[own["repo"]]))
        models[own["repo"]] = PublishedModel(own["repo"], shared | own, config, tensors)
    return models


def weights_file(tensors: Tensors, header_bytes: int | None = None) -> FakeFile:
    """Return a complete file with these tensors and no data; its header has `header_bytes`."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    position = 0
    for name, (dtype, shape) in tensors.items():
        end = position + _bytes_of(dtype, shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, end]}
        position = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text = text.ljust(len(text) + -len(text) % 8 if header_bytes is None else header_bytes)
    return FakeFile(len(text).to_bytes(8, "little") + text, LENGTH_BYTES + len(text) + position)


def _tensors(rows: list[Any]) -> Iterator[tuple[str, tuple[str, tuple[int, ...]]]]:
    for pattern, stars, shape, dtype in rows:
        numbers = (range(star) if isinstance(star, int) else star for star in stars)
        for chosen in product(*numbers):
            yield pattern.replace("*", "{}").format(*chosen), (dtype, tuple(shape))


def _bytes_of(dtype: str, shape: tuple[int, ...]) -> int:
    return prod(shape) * DTYPE_BITS[dtype] // 8
