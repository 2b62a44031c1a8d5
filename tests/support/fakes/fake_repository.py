"""A Hub repository in memory: a small Llama whose files a test can change, and its readers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

from model_import.manifest import RepositoryFile, Source
from model_import.model_files.names import INDEX, SINGLE
from model_import.model_files.safetensors import DTYPE_BITS
from model_import.preflight.expected_tensors import expected_tensors
from model_import.sources.hub.model_card import Licence, ModelCard
from model_import.sources.hub.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMIT = "5c4a6b8f2f0d1e9b7a3c4d5e6f708192a3b4c5d6"
SOURCE = Source("https://huggingface.co", "acme/tiny-llama", COMMIT)
FIRST_SHARD = "model-00001-of-00002.safetensors"
SECOND_SHARD = "model-00002-of-00002.safetensors"
CARD = ModelCard(Licence(("apache-2.0",)), "transformers", "text-generation")
LLAMA_CONFIG = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 8,
    "hidden_size": 4,
    "intermediate_size": 6,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 2,
    "max_position_embeddings": 8192,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "torch_dtype": "bfloat16",
}
TOKENIZER = {
    "model": {"type": "BPE", "vocab": {"<unk>": 0, "<s>": 1, "</s>": 2, "<|image|>": 3}},
    "added_tokens": [
        {"id": 0, "content": "<unk>", "special": True},
        {"id": 1, "content": "<s>", "special": True},
        {"id": 2, "content": "</s>", "special": True},
        {"id": 3, "content": "<|image|>", "special": True},
    ],
}
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}[{{ message.role }}] {{ message.content }}"
    "{% if message.content is not string %}<|image|>{% endif %}{{ eos_token }}{% endfor %}"
)
TOKENIZER_CONFIG = {
    "tokenizer_class": "LlamaTokenizerFast",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "chat_template": CHAT_TEMPLATE,
}
FIRST_TENSORS = {
    "model.embed_tokens.weight": ("BF16", (8, 4)),
    "model.layers.0.input_layernorm.weight": ("BF16", (4,)),
    "model.layers.0.self_attn.q_proj.weight": ("BF16", (4, 4)),
    "model.layers.0.self_attn.k_proj.weight": ("BF16", (2, 4)),
    "model.layers.0.self_attn.v_proj.weight": ("BF16", (2, 4)),
    "model.layers.0.self_attn.o_proj.weight": ("BF16", (4, 4)),
    "model.layers.0.post_attention_layernorm.weight": ("BF16", (4,)),
    "model.layers.0.mlp.gate_proj.weight": ("BF16", (6, 4)),
    "model.layers.0.mlp.up_proj.weight": ("BF16", (6, 4)),
    "model.layers.0.mlp.down_proj.weight": ("BF16", (4, 6)),
}
SECOND_TENSORS = {"model.norm.weight": ("BF16", (4,)), "lm_head.weight": ("BF16", (8, 4))}
TENSORS = FIRST_TENSORS | SECOND_TENSORS

type Tensors = Mapping[str, tuple[str, tuple[int, ...]]]


@dataclass(frozen=True, slots=True)
class FakeFile:
    """A file that may be longer than its `content`: zeros follow."""

    content: bytes
    size_bytes: int


type Files = dict[str, bytes | FakeFile]


def llama_files(**config: object) -> Files:
    """Return an importable repository, with the given fields in its config.json."""
    return {
        "config.json": to_json(LLAMA_CONFIG | config),
        "tokenizer.json": to_json(TOKENIZER),
        "tokenizer_config.json": to_json(TOKENIZER_CONFIG),
        INDEX: index_of({FIRST_SHARD: FIRST_TENSORS, SECOND_SHARD: SECOND_TENSORS}),
        FIRST_SHARD: safetensors_file(FIRST_TENSORS),
        SECOND_SHARD: safetensors_file(SECOND_TENSORS),
    }


def single_file(tensors: Tensors = TENSORS, **config: object) -> Files:
    """Return the repository with these tensors in one file, and no index."""
    files = llama_files(**config)
    for path in (INDEX, FIRST_SHARD, SECOND_SHARD):
        del files[path]
    return {**files, SINGLE: safetensors_file(tensors)}


def family_files(model_type: str, class_name: str, *, context_tokens: int | None = 8192) -> Files:
    """Return a repository with every tensor that a shallow model of a family has."""
    config: dict[str, Any] = {
        "model_type": model_type,
        "architectures": [class_name],
        "num_hidden_layers": 1,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    if context_tokens is not None:
        config["max_position_embeddings"] = context_tokens
    expected = expected_tensors(config)
    assert expected is not None
    tensors = {name: ("BF16", shape) for name, shape in expected.required.items()}
    return single_file(tensors) | {"config.json": to_json(config)}


def to_json(value: object) -> bytes:
    """Return a JSON file."""
    return json.dumps(value).encode()


def index_of(shards: Mapping[str, Tensors]) -> bytes:
    weight_map = {name: shard for shard, tensors in shards.items() for name in tensors}
    total_size = sum(_data_bytes(*form) for part in shards.values() for form in part.values())
    return to_json({"metadata": {"total_size": total_size}, "weight_map": weight_map})


def safetensors_file(tensors: Tensors) -> FakeFile:
    """Return a complete file with these tensors, dtype and shape by name, and no data but zeros."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    position = 0
    for name, (dtype, shape) in tensors.items():
        end = position + _data_bytes(dtype, shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, end]}
        position = end
    text = to_json(header)
    content = len(text).to_bytes(8, "little") + text
    return FakeFile(content, len(content) + position)


def snapshot_of(files: Files, source: Source = SOURCE) -> Snapshot:
    """Return the files as the Hub lists them: safetensors in LFS, other files by git blob id."""
    listed = tuple(_listed(path, file) for path, file in files.items())
    return Snapshot(source, "main", listed, CARD)


@dataclass(frozen=True, slots=True)
class FakeReaders:
    """Opens the files in memory, and records which bytes were read."""

    files: Files
    reads: list[tuple[str, int, int]] = field(default_factory=list)

    def open(self, path: str) -> FakeReader:
        return FakeReader(path, _file(self.files[path]), self.reads)


@dataclass(frozen=True, slots=True)
class FakeReader:
    """Reads one file; a read beyond its end fails the test."""

    path: str
    file: FakeFile
    reads: list[tuple[str, int, int]]

    def read(self, start: int, length: int) -> bytes:
        assert start + length <= self.file.size_bytes
        self.reads.append((self.path, start, length))
        return self.file.content[start : start + length].ljust(length, b"\0")

    def read_all(self, max_bytes: int) -> bytes:
        """Return the whole file; raise ValueError if it is too long, as RemoteFile does."""
        if self.file.size_bytes > max_bytes:
            raise ValueError(self.path)
        return self.read(0, self.file.size_bytes)


def _data_bytes(dtype: str, shape: tuple[int, ...]) -> int:
    return prod(shape) * DTYPE_BITS.get(dtype, 8) // 8


def _file(file: bytes | FakeFile) -> FakeFile:
    return FakeFile(file, len(file)) if isinstance(file, bytes) else file


def _listed(path: str, given: bytes | FakeFile) -> RepositoryFile:
    file = _file(given)
    if path.endswith(".safetensors"):
        sha256 = hashlib.sha256(file.content).hexdigest()
        return RepositoryFile(path, file.size_bytes, "0" * 40, sha256)
    git_blob = b"blob %d\0" % file.size_bytes + file.content
    blob_id = hashlib.sha1(git_blob, usedforsecurity=False).hexdigest()
    return RepositoryFile(path, file.size_bytes, blob_id)
