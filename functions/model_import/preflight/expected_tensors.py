"""Compares the tensors in the weights with those of the model that config.json describes.

tests/recorders/record_family_headers.py records the names and shapes from the version of
transformers that Bedrock names. That version has no GPT-OSS: its tensors follow the public model
code and a recording of transformers 5. Only the BF16 form is included, because the MXFP4 form has
tensors that Bedrock does not import.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from model_import.bedrock.transformers_version import TRANSFORMERS
from model_import.findings.finding import Finding, some
from model_import.model_files.names import CONFIG
from model_import.preflight.families.decoders import (
    gpt_oss,
    llama,
    mistral,
    mixtral,
    qwen2,
    qwen3,
    qwen3_moe,
)
from model_import.preflight.families.gpt_bigcode import gpt_bigcode
from model_import.preflight.families.layout import layer_of
from model_import.preflight.families.mllama import mllama
from model_import.preflight.families.qwen_vl import qwen2_5_vl, qwen2_vl
from model_import.preflight.families.sizes import ConfigSizeError
from model_import.preflight.families.t5 import t5

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from model_import.model_files.safetensors import Header
    from model_import.preflight.families.layout import ExpectedTensors

_FAMILIES: Final[dict[str, Callable[[dict[str, Any]], ExpectedTensors]]] = {
    "gpt_bigcode": gpt_bigcode,
    "gpt_oss": gpt_oss,
    "llama": llama,
    "mistral": mistral,
    "mixtral": mixtral,
    "mllama": mllama,
    "qwen2": qwen2,
    "qwen2_5_vl": qwen2_5_vl,
    "qwen2_vl": qwen2_vl,
    "qwen3": qwen3,
    "qwen3_moe": qwen3_moe,
    "t5": t5,
}


@dataclass(frozen=True, slots=True)
class _UnexpectedKind:
    """A kind of tensor that the model does not have, recognised by its name."""

    pattern: re.Pattern[str]
    what: str
    remedy: str | None = None


_UNEXPECTED_KINDS: Final = (
    _UnexpectedKind(
        re.compile(r"lora_|adapter|base_model\.|base_layer\.|modules_to_save"),
        "of an adapter",
        "Merge the adapter into the model with PEFT's merge_and_unload, publish the merged model "
        "and import its repository.",
    ),
    _UnexpectedKind(
        re.compile(
            r"(\.(qweight|qzeros|g_idx|scales|absmax|quant_map|SCB|input_scale|weight_scale(_inv)?)"
            r"|\.weight\.[^.]*(absmax|quant_map|quant_state\S*)|_(blocks|scales))$"
        ),
        "of quantised weights",
        "Import the repository of the unquantised weights, or convert the weights to BF16 and "
        "publish them.",
    ),
    _UnexpectedKind(
        re.compile(r"(^|\.)(qkv_proj|query_key_value|Wqkv|W_pack|gate_up_proj|gate_proj_up)(\.|$)"),
        "of merged projections",
        "Split the projections as the family's own class in transformers saves them.",
    ),
    _UnexpectedKind(
        re.compile(r"^model\.(language_model|visual|vision_model)\."),
        "under the names of a later version of transformers",
        f"Save the model with {TRANSFORMERS}, whose tensor names Bedrock's loader expects.",
    ),
    _UnexpectedKind(
        re.compile(r"^(score|classifier|classification_head|v_head|qa_outputs|medusa_head)\."),
        "of another head",
        "Choose the model that generates text. A classifier or a reward model cannot be imported.",
    ),
)
_UNKNOWN_KIND: Final = _UnexpectedKind(re.compile(""), "that the model does not have")


def expected_tensors(config: dict[str, Any]) -> ExpectedTensors | None:
    """Return the tensors of the model, or None if its family or a size is not supported."""
    try:
        return _expected(config)
    except ConfigSizeError:
        return None


def check_tensors(config: dict[str, Any], headers: dict[str, Header]) -> Iterator[Finding]:
    """Yield tensors that are missing, unexpected or of another shape; `headers` are by file.

    `headers` must include every file: the tensors of a shard left out would count as missing.
    """
    try:
        expected = _expected(config)
    except ConfigSizeError as error:
        yield _impossible_size(error)
        return
    if expected is None or not headers:
        return
    found = {
        tensor.name: (tensor.shape, path)
        for path, header in headers.items()
        for tensor in header.tensors
    }
    yield from _missing(expected, found.keys())
    yield from _unexpected(expected, {name: path for name, (_, path) in found.items()})
    yield from _wrong_shapes(expected, found)


def _expected(config: dict[str, Any]) -> ExpectedTensors | None:
    family = _FAMILIES.get(str(config.get("model_type")))
    return None if family is None else family(config)


def _impossible_size(error: ConfigSizeError) -> Finding:
    return Finding.of(
        "CONFIG_SIZE_INVALID",
        f"{CONFIG}: {error.name}",
        found=str(error),
        accepted=f"It must be {error.accepted}.",
    )


def _missing(expected: ExpectedTensors, found: Iterable[str]) -> Iterator[Finding]:
    present = set(found)
    missing = [
        name
        for name in expected.required
        if name not in present and present.isdisjoint(expected.alternatives.get(name, ()))
    ]
    if not missing:
        return
    layers = [layer for layer, names in expected.layers.items() if present.isdisjoint(names)]
    within = {name for layer in layers for name in expected.layers[layer]}
    if layers:
        yield _missing_finding(layers, "layer")
    if single := [name for name in missing if name not in within]:
        yield _missing_finding(single, "tensor")


def _missing_finding(names: list[str], noun: str) -> Finding:
    return Finding.of(
        "TENSOR_MISSING",
        names[0],
        found=f"{_count(names, noun)} missing: {some(names)}",
        accepted="All tensors of the model that config.json describes.",
    )


def _unexpected(expected: ExpectedTensors, paths: dict[str, str]) -> Iterator[Finding]:
    kinds: dict[str, tuple[_UnexpectedKind, list[str]]] = {}
    for name in paths:
        if expected.shape(name) is None and not expected.ignored(name):
            kind = next(
                (kind for kind in _UNEXPECTED_KINDS if kind.pattern.search(name)), _UNKNOWN_KIND
            )
            kinds.setdefault(kind.what, (kind, []))[1].append(name)
    for kind, names in kinds.values():
        shown = names if kind is not _UNKNOWN_KIND else _by_layer(names, expected)
        yield Finding.of(
            "TENSOR_UNEXPECTED",
            paths[names[0]],
            found=f"{_count(names, 'tensor')} {kind.what}: {some(shown)}",
            accepted="The tensors of the model that config.json describes, and no others.",
            remedy=kind.remedy,
        )


def _by_layer(names: list[str], expected: ExpectedTensors) -> list[str]:
    """Return the names, with one name for all tensors of a layer that the model does not have."""
    layers = (layer_of(name) for name in names)
    shown = (
        layer if layer is not None and layer not in expected.layers else name
        for name, layer in zip(names, layers, strict=True)
    )
    return list(dict.fromkeys(shown))


def _wrong_shapes(
    expected: ExpectedTensors, found: dict[str, tuple[tuple[int, ...], str]]
) -> Iterator[Finding]:
    groups: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for name, (shape, _) in found.items():
        if expected.shape(name) not in {None, shape}:
            groups.setdefault((expected.formulas[name], shape), []).append(name)
    for (formula, shape), names in groups.items():
        accepted = expected.shape(names[0]) or ()
        yield Finding.of(
            "TENSOR_SHAPE",
            found[names[0]][1],
            found=f"{_count(names, 'tensor')} of shape {list(shape)}: {some(names)}",
            accepted=f"config.json specifies {list(accepted)}: "
            f"{_differences(formula, shape, accepted)}.",
        )


def _differences(formula: str, found: tuple[int, ...], expected: tuple[int, ...]) -> str:
    if len(found) != len(expected):
        return formula
    dimensions = zip(formula.split(", "), found, expected, strict=True)
    return ", ".join(f"{fields} = {size}" for fields, actual, size in dimensions if actual != size)


def _count(names: list[str], noun: str) -> str:
    return f"{len(names)} {noun}s" if len(names) > 1 else f"1 {noun}"
