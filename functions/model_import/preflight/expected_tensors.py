"""The tensors in the weights, against those that config.json says the model consists of.

The names and shapes are those of the transformers that Bedrock names, recorded from it by
tests/recorders/record_family_headers.py. That version has no GPT-OSS: its tensors follow the public
model code, and a recording of transformers 5. Only its BF16 form is known here; the MXFP4 form
has tensors that Bedrock does not import.
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
class _Intruder:
    """A kind of tensor that does not belong, told by its name."""

    pattern: re.Pattern[str]
    what: str
    remedy: str | None = None


_INTRUDERS: Final = (
    _Intruder(
        re.compile(r"lora_|adapter|base_model\.|base_layer\.|modules_to_save"),
        "of an adapter",
        "Merge the adapter into the model (PEFT: merge_and_unload), save that and give its "
        "repository.",
    ),
    _Intruder(
        re.compile(
            r"(\.(qweight|qzeros|g_idx|scales|absmax|quant_map|SCB|input_scale|weight_scale(_inv)?)"
            r"|\.weight\.[^.]*(absmax|quant_map|quant_state\S*)|_(blocks|scales))$"
        ),
        "of quantised weights",
        "Give the repository of the unquantised weights, or publish them converted to BF16.",
    ),
    _Intruder(
        re.compile(r"(^|\.)(qkv_proj|query_key_value|Wqkv|W_pack|gate_up_proj|gate_proj_up)(\.|$)"),
        "of merged projections",
        "Split them as the family's own class in transformers saves them.",
    ),
    _Intruder(
        re.compile(r"^model\.(language_model|visual|vision_model)\."),
        "under the names of a later transformers",
        f"Save the model with {TRANSFORMERS}, whose names Bedrock's loader knows.",
    ),
    _Intruder(
        re.compile(r"^(score|classifier|classification_head|v_head|qa_outputs|medusa_head)\."),
        "of another head",
        "A classifier or a reward model cannot be imported: choose the generating model.",
    ),
)
_STRANGER: Final = _Intruder(re.compile(""), "that the model has no place for")


def expected_tensors(config: dict[str, Any]) -> ExpectedTensors | None:
    """Return the tensors of the model, or None for no family of Bedrock's or impossible sizes."""
    try:
        return _expected(config)
    except ConfigSizeError:
        return None


def check_tensors(config: dict[str, Any], headers: dict[str, Header]) -> Iterator[Finding]:
    """Yield what is missing, does not belong or has another shape; `headers` are by file.

    They must be the headers of all files: a shard left out is so many tensors missing.
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
    yield from _misshapen(expected, found)


def _expected(config: dict[str, Any]) -> ExpectedTensors | None:
    family = _FAMILIES.get(str(config.get("model_type")))
    return None if family is None else family(config)


def _impossible_size(error: ConfigSizeError) -> Finding:
    return Finding.of(
        "CONFIG_SIZE_INVALID",
        f"{CONFIG}: {error.name}",
        found=str(error),
        accepted=f"It is {error.accepted}.",
    )


def _missing(expected: ExpectedTensors, found: Iterable[str]) -> Iterator[Finding]:
    present = set(found)
    missing = [
        name
        for name in expected.required
        if name not in present and present.isdisjoint(expected.stand_ins.get(name, ()))
    ]
    if not missing:
        return
    layers = [layer for layer, names in expected.layers.items() if present.isdisjoint(names)]
    within = {name for layer in layers for name in expected.layers[layer]}
    if layers:
        yield _missing_finding(layers, "layer", "missing as a whole")
    if single := [name for name in missing if name not in within]:
        yield _missing_finding(single, "tensor", "missing")


def _missing_finding(names: list[str], noun: str, how: str) -> Finding:
    return Finding.of(
        "TENSOR_MISSING",
        names[0],
        found=f"{_counted(names, noun)} {how}: {some(names)}",
        accepted="Every tensor of the model that config.json describes.",
    )


def _unexpected(expected: ExpectedTensors, paths: dict[str, str]) -> Iterator[Finding]:
    kinds: dict[str, tuple[_Intruder, list[str]]] = {}
    for name in paths:
        if expected.shape(name) is None and not expected.ignored(name):
            kind = next((kind for kind in _INTRUDERS if kind.pattern.search(name)), _STRANGER)
            kinds.setdefault(kind.what, (kind, []))[1].append(name)
    for kind, names in kinds.values():
        shown = names if kind is not _STRANGER else _by_layer(names, expected)
        yield Finding.of(
            "TENSOR_UNEXPECTED",
            paths[names[0]],
            found=f"{_counted(names, 'tensor')} {kind.what}: {some(shown)}",
            accepted="The tensors of the model that config.json describes, and no others.",
            remedy=kind.remedy,
        )


def _by_layer(names: list[str], expected: ExpectedTensors) -> list[str]:
    """Return the names, those of a layer that the model does not have as that layer."""
    layers = (layer_of(name) for name in names)
    shown = (
        layer if layer is not None and layer not in expected.layers else name
        for name, layer in zip(names, layers, strict=True)
    )
    return list(dict.fromkeys(shown))


def _misshapen(
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
            found=f"{_counted(names, 'tensor')} of shape {list(shape)}: {some(names)}",
            accepted=f"By config.json {list(accepted)}: {_differences(formula, shape, accepted)}.",
        )


def _differences(formula: str, found: tuple[int, ...], expected: tuple[int, ...]) -> str:
    if len(found) != len(expected):
        return formula
    dimensions = zip(formula.split(", "), found, expected, strict=True)
    return ", ".join(f"{fields} = {size}" for fields, actual, size in dimensions if actual != size)


def _counted(names: list[str], noun: str) -> str:
    return f"{len(names)} {noun}s" if len(names) > 1 else f"1 {noun}"
