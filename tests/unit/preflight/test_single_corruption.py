"""Checkpoints as transformers saves them are importable, and each single corruption is named.

The recordings are those of test_expected_tensors.py, which drops and reshapes every tensor there
is; here one of each checkpoint goes through the whole of preflight.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest
from support.checkpoints.recorded_checkpoints import Checkpoint, checkpoints
from support.fakes.fake_repository import (
    FIRST_SHARD,
    SECOND_SHARD,
    FakeFile,
    FakeReaders,
    snapshot_of,
    to_json,
)

from model_import.model_files.names import INDEX
from model_import.preflight.judge import judge

if TYPE_CHECKING:
    from support.fakes.fake_repository import Files

    from model_import.findings.finding import Finding

REGION = "us-east-1"  # every family is imported there

UNSERVABLE: Final = "t5 gated and untied (5.23.0)"
"""transformers 5 ties it and does not scale it; Bedrock's takes the one for the other."""

every_checkpoint = pytest.mark.parametrize(
    "model",
    [model for model in checkpoints() if model.case != UNSERVABLE],
    ids=lambda model: model.case,
)


def errors_of(files: Files) -> list[Finding]:
    verdict = judge(snapshot_of(files), FakeReaders(files), REGION)
    return [finding for finding in verdict.findings if finding.severity == "error"]


def codes_naming(text: str, files: Files) -> set[str]:
    """Return the codes of the errors that name a tensor, a file or a field."""
    errors = errors_of(files)
    assert errors
    return {error.code for error in errors if text in f"{error.where} {error.found}"}


def changed(files: Files, path: str, **fields: object) -> Files:
    file = files[path]
    content = file if isinstance(file, bytes) else file.content
    return files | {path: to_json(json.loads(content) | fields)}


@every_checkpoint
def test_a_checkpoint_as_it_is_saved_is_importable(model: Checkpoint) -> None:
    assert errors_of(model.files()) == []


@every_checkpoint
def test_a_tensor_that_was_dropped_is_named(model: Checkpoint) -> None:
    tensors = {name: kept for name, kept in model.tensors.items() if name != model.victim}

    assert codes_naming(model.victim, replace(model, tensors=tensors).files()) == {"TENSOR_MISSING"}


@every_checkpoint
def test_a_tensor_of_another_shape_is_named(model: Checkpoint) -> None:
    dtype, (first, *others) = model.tensors[model.victim]
    tensors = model.tensors | {model.victim: (dtype, (first + 1, *others))}

    assert codes_naming(model.victim, replace(model, tensors=tensors).files()) == {"TENSOR_SHAPE"}


@every_checkpoint
def test_a_tensor_of_another_dtype_is_named(model: Checkpoint) -> None:
    for dtype in ("F64", "I64", "F8_E4M3"):
        tensors = model.tensors | {model.victim: (dtype, model.tensors[model.victim][1])}
        files = replace(model, tensors=tensors).files()

        assert "TENSOR_DTYPE_UNSUPPORTED" in codes_naming(model.victim, files)


@every_checkpoint
def test_an_entry_of_the_index_that_is_wrong_is_named(model: Checkpoint) -> None:
    name, stranger = model.victim, "model.layers.99.mlp.up_proj.weight"
    entries = {tensor: path for path, tensors in model.shards().items() for tensor in tensors}
    other = SECOND_SHARD if entries[name] == FIRST_SHARD else FIRST_SHARD
    removed = {tensor: path for tensor, path in entries.items() if tensor != name}
    missing, unnamed = "INDEX_TENSOR_MISSING", "INDEX_TENSOR_UNNAMED"

    def codes(tensor: str, weight_map: dict[str, str]) -> set[str]:
        return codes_naming(tensor, changed(model.files(), INDEX, weight_map=weight_map))

    assert codes(name, entries | {name: other}) == {missing, unnamed}
    assert codes(name, removed) == {unnamed}
    assert codes(stranger, entries | {stranger: other}) == {missing}


@every_checkpoint
def test_a_shard_that_is_a_byte_longer_or_shorter_is_named(model: Checkpoint) -> None:
    files = model.files()
    path = next(path for path, tensors in model.shards().items() if model.victim in tensors)
    file = files[path]
    assert isinstance(file, FakeFile)
    longer = replace(file, size_bytes=file.size_bytes + 1)
    shorter = replace(file, size_bytes=file.size_bytes - 1)

    assert codes_naming(path, files | {path: longer}) == {"SHARD_OVERLONG"}
    assert codes_naming(path, files | {path: shorter}) == {"SHARD_TRUNCATED"}


@every_checkpoint
def test_a_field_of_the_configuration_that_rules_it_out_is_named(model: Checkpoint) -> None:
    ruled_out: dict[str, tuple[str, object]] = {
        "ARCH_UNSUPPORTED": ("model_type", "gemma2"),
        "ARCH_CLASS_UNSUPPORTED": ("architectures", ["LlamaForSequenceClassification"]),
        "DTYPE_UNSUPPORTED": ("torch_dtype", "float8_e4m3fn"),
        "QUANTISED": ("quantization_config", {"quant_method": "awq"}),
    }
    for code, (field, value) in ruled_out.items():
        assert codes_naming(field, changed(model.files(), "config.json", **{field: value})) == {
            code
        }


def test_a_t5_that_4_51_3_would_scale_is_refused_for_the_head_that_it_does_not_store() -> None:
    (model,) = (model for model in checkpoints() if model.case == UNSERVABLE)

    assert codes_naming("lm_head.weight", model.files()) == {"TENSOR_MISSING"}
