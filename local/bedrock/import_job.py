"""Reads a staged model from S3 as an import job does, and refuses what Bedrock refuses.

Recorded wordings (failure messages of real jobs, as third parties quoted them): the unsupported
architecture, the missing config.json, and the missing access to the S3 location. No record of
other messages was found; those here are not Bedrock's wording.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from tokenizers import Tokenizer

from local.bedrock.llama import LlamaConfig, NotComputedError, tensor_shapes
from local.bedrock.safetensors_reader import (
    LENGTH_BYTES,
    SafetensorsError,
    Tensor,
    header_bytes,
    read_header,
)
from model_import.bedrock.rules import Architecture, bedrock_rules
from model_import.chat.template import TEMPLATE_JINJA, TEMPLATE_JSON

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client

INDEX_FILE = "model.safetensors.index.json"
_OPTIONAL_FILES = (
    "generation_config.json",
    "special_tokens_map.json",
    TEMPLATE_JINJA,
    TEMPLATE_JSON,
    INDEX_FILE,
)
# "You can use these with any model": user guide, 2026-10-05.
TOKENIZER_CLASSES = (
    "T5Tokenizer",
    "T5TokenizerFast",
    "LlamaTokenizer",
    "LlamaTokenizerFast",
    "CodeLlamaTokenizer",
    "CodeLlamaTokenizerFast",
    "GPT2Tokenizer",
    "GPT2TokenizerFast",
    "GPTNeoXTokenizer",
    "GPTNeoXTokenizerFast",
    "PreTrainedTokenizer",
    "PreTrainedTokenizerFast",
    "Qwen2Tokenizer",
    "Qwen2TokenizerFast",
)
# The user guide lists accepted classes only for Qwen3. For the others it says that embedding models
# are not supported, so any class that generates text is accepted.
_CLASS_CHECKED_MODEL_TYPES = ("qwen3", "qwen3_moe")
_GENERATING_CLASS_SUFFIXES = ("ForCausalLM", "ForConditionalGeneration", "LMHeadModel")
# For GPT-OSS any other key of the index's metadata is "not supported": AWS ML blog 2025-11-25.
_INDEX_METADATA_CHECKED_MODEL_TYPES = ("gpt_oss",)
_INDEX_METADATA_KEYS = {"total_size"}
_NAMES_SHOWN = 5


class ImportRefusedError(Exception):
    """Bedrock would end this job as Failed, with this failure message."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Bedrock's own copy of a model, which remains after the staged objects are deleted.

    `shards` is None for a model that is too large to keep here.
    """

    config: dict[str, Any]
    tokenizer_config: dict[str, Any]
    files: Mapping[str, bytes]
    tensors: Mapping[str, Mapping[str, Tensor]]
    shards: Mapping[str, bytes] | None

    @property
    def model_type(self) -> str:
        """Return Bedrock's name of the model's architecture."""
        return str(self.config["model_type"])

    @property
    def parameters(self) -> int:
        """Return the number of weights."""
        return sum(t.elements for tensors in self.tensors.values() for t in tensors.values())


@dataclass(frozen=True, slots=True)
class StagedFiles:
    """The objects directly under an S3 URI, by file name, with their sizes in bytes."""

    s3: S3Client
    bucket: str
    prefix: str
    sizes: Mapping[str, int]

    @classmethod
    def list(cls, s3: S3Client, s3_uri: str) -> StagedFiles:
        """Return the objects directly under the URI, without deeper keys."""
        bucket, _, key = s3_uri.removeprefix("s3://").partition("/")
        prefix = f"{key.rstrip('/')}/" if key.strip("/") else ""
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, Delimiter="/"
        )
        sizes = {
            row["Key"].removeprefix(prefix): row["Size"]
            for page in pages
            for row in page.get("Contents", [])
        }
        return cls(s3, bucket, prefix, sizes)

    def read(self, name: str) -> bytes:
        """Return a whole file."""
        return self.s3.get_object(Bucket=self.bucket, Key=self.prefix + name)["Body"].read()

    def read_range(self, name: str, first: int, count: int) -> bytes:
        """Return `count` bytes of a file, or fewer at its end."""
        if not count or first >= self.sizes[name]:
            return b""
        span = f"bytes={first}-{first + count - 1}"
        answer = self.s3.get_object(Bucket=self.bucket, Key=self.prefix + name, Range=span)
        return answer["Body"].read()

    def uri(self, name: str) -> str:
        """Return the URI of a file, which need not exist."""
        return f"s3://{self.bucket}/{self.prefix}{name}"


def import_checkpoint(
    s3: S3Client, s3_uri: str, *, region: str, held_bytes_at_most: int
) -> Checkpoint:
    """Return the model that is staged under an S3 URI.

    Raises:
        ImportRefusedError: Bedrock does not import it.
    """
    try:
        return _import(StagedFiles.list(s3, s3_uri), region, held_bytes_at_most)
    except (BotoCoreError, ClientError) as error:
        raise ImportRefusedError(
            f"Amazon Bedrock does not have access to the S3 location {s3_uri}: {error}"
        ) from error


def _import(staged: StagedFiles, region: str, held_bytes_at_most: int) -> Checkpoint:
    config = _read_config(staged)
    architecture = _accepted_architecture(config, region)
    _refuse_configuration(config, architecture)
    files = _read_small_files(staged)
    tokenizer_config = _read_tokenizer(files)
    shards = _shard_names(staged, files.get(INDEX_FILE), architecture)
    tensors = {name: _read_shard_header(staged, name) for name in shards}
    _refuse_weights(staged, tensors, architecture)
    _refuse_disagreement_with_index(files.get(INDEX_FILE), tensors)
    _refuse_disagreement_with_config(config, tensors)
    held = sum(staged.sizes[name] for name in shards) <= held_bytes_at_most
    return Checkpoint(
        config=config,
        tokenizer_config=tokenizer_config,
        files=files,
        tensors=tensors,
        shards={name: staged.read(name) for name in shards} if held else None,
    )


def _read_config(staged: StagedFiles) -> dict[str, Any]:
    if "config.json" not in staged.sizes:
        uri = staged.uri("config.json")
        raise ImportRefusedError(f"could not find the expected file {uri}")
    return _json_object("config.json", staged.read("config.json"))


def _accepted_architecture(config: Mapping[str, Any], region: str) -> Architecture:
    model_type = config.get("model_type")
    architecture = bedrock_rules().architecture(str(model_type))
    if architecture is None:
        accepted = ", ".join(row.model_type for row in bedrock_rules().architectures)
        raise ImportRefusedError(
            f"Amazon bedrock does not support the architecture ({model_type}) of the model that "
            "you are importing. Try again with one of the following supported architectures: "
            f"[{accepted}]"
        )
    if region not in architecture.regions:
        raise ImportRefusedError(
            f"The architecture {model_type} is imported in {', '.join(architecture.regions)} only, "
            f"not in {region}."
        )
    return architecture


def _refuse_configuration(config: Mapping[str, Any], architecture: Architecture) -> None:
    name = str((config.get("architectures") or [None])[0])
    checked = architecture.model_type in _CLASS_CHECKED_MODEL_TYPES
    if name not in architecture.classes and (
        checked or not name.endswith(_GENERATING_CLASS_SUFFIXES)
    ):
        accepted = ", ".join(architecture.classes)
        raise ImportRefusedError(
            f"config.json names the class {name}; of {architecture.name} Amazon Bedrock imports "
            f"{accepted}."
        )
    if config.get("quantization_config"):
        raise ImportRefusedError(
            "config.json has a quantization_config: Amazon Bedrock does not import quantized "
            "models."
        )
    text_config = config.get("text_config") or {}
    context = config.get("max_position_embeddings", text_config.get("max_position_embeddings", 0))
    most = bedrock_rules().context_tokens_at_most
    if context > most:
        raise ImportRefusedError(
            f"max_position_embeddings is {context}; Amazon Bedrock imports models with a context "
            f"length of at most {most} tokens."
        )


def _read_small_files(staged: StagedFiles) -> dict[str, bytes]:
    required = bedrock_rules().required_files
    missing = [name for name in required if name not in staged.sizes]
    if missing:
        uri = staged.uri("")
        raise ImportRefusedError(f"These files are missing from {uri}: {', '.join(missing)}.")
    names = [*required, *(name for name in _OPTIONAL_FILES if name in staged.sizes)]
    return {name: staged.read(name) for name in names}


def _read_tokenizer(files: Mapping[str, bytes]) -> dict[str, Any]:
    tokenizer_config = _json_object("tokenizer_config.json", files["tokenizer_config.json"])
    tokenizer_class = tokenizer_config.get("tokenizer_class")
    if tokenizer_class is not None and tokenizer_class not in TOKENIZER_CLASSES:
        raise ImportRefusedError(
            f"tokenizer_config.json names the tokenizer class {tokenizer_class}; Amazon Bedrock "
            f"has {', '.join(TOKENIZER_CLASSES)}."
        )
    try:
        Tokenizer.from_buffer(files["tokenizer.json"])
    except Exception as error:
        raise ImportRefusedError(f"tokenizer.json cannot be loaded: {error}") from error
    return tokenizer_config


def _shard_names(staged: StagedFiles, index: bytes | None, architecture: Architecture) -> list[str]:
    stored = sorted(name for name in staged.sizes if name.endswith(".safetensors"))
    if not stored:
        raise ImportRefusedError(f"There is no .safetensors file directly under {staged.uri('')}.")
    if index is None:
        if len(stored) > 1:
            raise ImportRefusedError(f"{len(stored)} .safetensors files need {INDEX_FILE}.")
        return stored
    _refuse_index_metadata(_json_object(INDEX_FILE, index), architecture)
    shards = sorted(set(_weight_map(index).values()))
    missing = [name for name in shards if name not in staged.sizes]
    if missing:
        raise ImportRefusedError(f"{INDEX_FILE} names files that are missing: {_some(missing)}.")
    return shards


def _refuse_index_metadata(index: Mapping[str, Any], architecture: Architecture) -> None:
    if architecture.model_type not in _INDEX_METADATA_CHECKED_MODEL_TYPES:
        return
    metadata = index.get("metadata")
    if not isinstance(metadata, dict):
        raise ImportRefusedError(f"{INDEX_FILE} has no metadata.")
    extra = sorted(metadata.keys() - _INDEX_METADATA_KEYS)
    if extra:
        raise ImportRefusedError(f"{INDEX_FILE} has unsupported metadata: {_some(extra)}.")


def _weight_map(index: bytes) -> dict[str, str]:
    weight_map = _json_object(INDEX_FILE, index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ImportRefusedError(f"{INDEX_FILE} has no weight_map.")
    return weight_map


def _read_shard_header(staged: StagedFiles, name: str) -> dict[str, Tensor]:
    file_bytes = staged.sizes[name]
    try:
        length = header_bytes(staged.read_range(name, 0, LENGTH_BYTES), file_bytes)
        return read_header(staged.read_range(name, LENGTH_BYTES, length), file_bytes)
    except SafetensorsError as error:
        raise ImportRefusedError(f"{name} cannot be loaded: {error}.") from error


def _refuse_weights(
    staged: StagedFiles,
    tensors: Mapping[str, Mapping[str, Tensor]],
    architecture: Architecture,
) -> None:
    rules = bedrock_rules()
    total_bytes = sum(size for name, size in staged.sizes.items() if name.endswith(".safetensors"))
    below = rules.weights_bytes_below(multimodal=architecture.multimodal)
    if total_bytes >= below:
        raise ImportRefusedError(
            f"The weights have {total_bytes} bytes; of {architecture.name} Amazon Bedrock imports "
            f"less than {below}."
        )
    for name, rows in tensors.items():
        dtypes = sorted({tensor.dtype for tensor in rows.values()} - set(rules.dtypes))
        if dtypes:
            raise ImportRefusedError(
                f"{name} has tensors of {', '.join(dtypes)}; Amazon Bedrock imports "
                f"{', '.join(rules.dtypes)}."
            )


def _refuse_disagreement_with_index(
    index: bytes | None, tensors: Mapping[str, Mapping[str, Tensor]]
) -> None:
    weight_map = _weight_map(index) if index is not None else {}
    missing = [name for name, shard in weight_map.items() if name not in tensors[shard]]
    if missing:
        raise ImportRefusedError(
            f"Tensors are not in the files that {INDEX_FILE} names: {_some(missing)}."
        )


def _refuse_disagreement_with_config(
    config: Mapping[str, Any], tensors: Mapping[str, Mapping[str, Tensor]]
) -> None:
    """Refuse tensors that do not fit the architecture, if this module knows its tensors."""
    try:
        shapes = tensor_shapes(LlamaConfig.from_dict(config))
    except NotComputedError:
        return
    stored = {name: tensor for rows in tensors.values() for name, tensor in rows.items()}
    missing = [name for name in shapes if name not in stored]
    if missing:
        raise ImportRefusedError(f"Tensors are missing from the weights: {_some(missing)}.")
    for name, shape in shapes.items():
        if stored[name].shape != shape:
            raise ImportRefusedError(
                f"Tensor {name} has the shape {stored[name].shape}; config.json asks for {shape}."
            )


def _json_object(name: str, text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ImportRefusedError(f"{name} is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise ImportRefusedError(f"{name} is not a JSON object.")
    return value


def _some(names: list[str]) -> str:
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
