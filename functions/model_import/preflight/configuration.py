"""Compares config.json with what Bedrock imports."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from model_import.bedrock.rules import bedrock_rules
from model_import.bedrock.transformers_version import TRANSFORMERS
from model_import.findings.finding import Finding
from model_import.model_files.names import CONFIG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_import.bedrock.rules import Architecture


_FACTOR_AT_MOST: Final = 1_000_000
_TOKENS_AT_MOST: Final = 10**12
# A larger number is not a valid factor or length, and may not fit a float.
_ROUNDING: Final = 0.01
_DTYPES: Final = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}


def check_configuration(config: dict[str, Any], region: str) -> Iterator[Finding]:
    """Yield findings on the configuration; `region` is that of the import."""
    rules = bedrock_rules()
    architecture = rules.architecture(str(config.get("model_type")))
    if architecture is None:
        yield _unsupported(config)
    else:
        yield from _check_class(config, architecture, region)
        yield from _check_context_length(config, architecture)
    yield from _check_rope(config)
    yield from _check_quantisation(config)
    yield from _check_dtype(config)


def architecture_class(config: dict[str, Any]) -> str | None:
    """Return `architectures[0]`, or None if the configuration names none."""
    match config.get("architectures"):
        case [str(first), *_]:
            return first
        case _:
            return None


def context_length(config: dict[str, Any]) -> int | None:
    """Return the context length in tokens, from the field that the family uses."""
    for place in _places(config):
        for field in ("max_position_embeddings", "n_positions"):
            value = place.get(field)
            if type(value) is int and value > 0:
                return _scaled(value, _scaling(place))
    return None


def _places(config: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return the objects that may describe the text model."""
    text = config.get("text_config")
    return (config, text) if isinstance(text, dict) else (config,)


@dataclass(frozen=True, slots=True)
class _Scaling:
    """A rope_scaling, which multiplies the context that the model was first trained with."""

    kind: object
    factor: float
    original: int | None


def _scaling(place: dict[str, Any]) -> _Scaling | None:
    """Return the scaling if its factor is usable; `type` is the older name of `rope_type`."""
    found = place.get("rope_scaling")
    if not isinstance(found, dict):
        return None
    factor, original = found.get("factor"), found.get("original_max_position_embeddings")
    if isinstance(factor, bool) or not isinstance(factor, int | float):
        return None
    if not 1 <= factor <= _FACTOR_AT_MOST:
        return None
    if type(original) is not int or not 0 < original <= _TOKENS_AT_MOST:
        original = None
    return _Scaling(found.get("rope_type", found.get("type")), factor, original)


def _scaled(stated: int, scaling: _Scaling | None) -> int:
    """Return the context length after scaling.

    YaRN's fields are exact. With the older scalings, some models state the length before scaling
    (Vicuna 16k) and some the length after it (LLaMA-2-7B-32K). If the product exceeds Bedrock's
    limit, the stated length is taken as the length after scaling.
    """
    if stated > _TOKENS_AT_MOST:
        return stated
    match scaling:
        case _Scaling("yarn", factor, original):
            return max(stated, int(factor * (original or stated)))
        case _Scaling("linear" | "dynamic", factor, original):
            product = max(stated, int(factor * (original or stated)))
            return product if product <= bedrock_rules().context_tokens_at_most else stated
        case _:
            return stated


def _unsupported(config: dict[str, Any]) -> Finding:
    rules = bedrock_rules()
    return Finding.of(
        "ARCH_UNSUPPORTED",
        f"{CONFIG}: model_type",
        found=f"The model_type is {config.get('model_type')!r} ({architecture_class(config)})",
        accepted="Bedrock imports model_type "
        f"{', '.join(row.model_type for row in rules.architectures)}.",
    )


def _check_class(
    config: dict[str, Any], architecture: Architecture, region: str
) -> Iterator[Finding]:
    found = architecture_class(config)
    if found not in architecture.classes:
        yield Finding.of(
            "ARCH_CLASS_UNSUPPORTED",
            f"{CONFIG}: architectures",
            found=f"The class of this {architecture.model_type} model is {found}",
            accepted=f"Bedrock imports {' or '.join(architecture.classes)}.",
        )
    if region in bedrock_rules().regions and region not in architecture.regions:
        yield Finding.of(
            "ARCH_REGION",
            f"{CONFIG}: model_type",
            found=f"Bedrock does not import {architecture.name} in {region}",
            accepted=f"Regions for this family: {', '.join(architecture.regions)}.",
        )


def _check_context_length(config: dict[str, Any], architecture: Architecture) -> Iterator[Finding]:
    if not architecture.context_length_stated:
        return
    at_most = bedrock_rules().context_tokens_at_most
    found = context_length(config)
    if found is None:
        yield Finding.of(
            "CONTEXT_UNKNOWN",
            f"{CONFIG}: max_position_embeddings",
            found="The configuration does not state a context length",
            accepted=f"A whole number of at most {at_most} tokens.",
        )
    elif found > at_most:
        yield Finding.of(
            "CONTEXT_TOO_LONG",
            f"{CONFIG}: max_position_embeddings",
            found=f"The model's context length is {found} tokens",
            accepted=f"Bedrock accepts at most {at_most} tokens.",
        )


def _check_rope(config: dict[str, Any]) -> Iterator[Finding]:
    for place in _places(config):
        prefix = CONFIG if place is config else f"{CONFIG}: text_config"
        where = f"{prefix}{': ' if place is config else '.'}rope_scaling"
        yield from _check_llama3(place, where)
        yield from _check_yarn(place, where)


def _check_llama3(place: dict[str, Any], where: str) -> Iterator[Finding]:
    served = bedrock_rules().llama3_rope
    scaling = place.get("rope_scaling")
    if not isinstance(scaling, dict) or "llama3" not in (
        scaling.get("rope_type"),
        scaling.get("type"),
    ):
        return
    differing = {name: scaling.get(name) for name in served if scaling.get(name) != served[name]}
    if differing:
        yield Finding.of(
            "ROPE_OVERRIDDEN",
            where,
            found=f"The model was trained with {_pairs(differing)}",
            accepted=f"Bedrock serves every llama3 scaling with {_pairs(served)}.",
        )


def _check_yarn(place: dict[str, Any], where: str) -> Iterator[Finding]:
    """Yield a finding on a factor that Bedrock's transformers does not use.

    If the original length is stated, its _compute_yarn_parameters divides max_position_embeddings
    by it and ignores `factor`.
    """
    scaling, stated = _scaling(place), place.get("max_position_embeddings")
    if scaling is None or scaling.kind != "yarn" or scaling.original is None:
        return
    if type(stated) is not int or not 0 < stated <= _TOKENS_AT_MOST:
        return
    served = stated / scaling.original
    if not math.isclose(served, scaling.factor, rel_tol=_ROUNDING):
        yield Finding.of(
            "ROPE_FACTOR_IGNORED",
            where,
            found=f"The factor is {scaling.factor}, but max_position_embeddings {stated} is "
            f"{served:.4g} times the original length {scaling.original}",
            accepted=f"{TRANSFORMERS} scales by {served:.4g}, whatever the factor is.",
            remedy="Publish a copy whose max_position_embeddings is "
            f"{int(scaling.factor * scaling.original)}, or keep prompts short. Answers to prompts "
            "beyond the original length are worse than intended.",
        )


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _check_quantisation(config: dict[str, Any]) -> Iterator[Finding]:
    for place in _places(config):
        quantisation = place.get("quantization_config")
        if quantisation:
            method = (
                quantisation.get("quant_method") if isinstance(quantisation, dict) else quantisation
            )
            yield Finding.of(
                "QUANTISED",
                f"{CONFIG}: quantization_config",
                found=f"The weights are quantised ({method})",
                accepted="Bedrock imports weights in FP32, FP16 or BF16.",
            )


def _check_dtype(config: dict[str, Any]) -> Iterator[Finding]:
    for field in ("torch_dtype", "dtype"):
        value = config.get(field)
        if isinstance(value, str) and value.removeprefix("torch.") not in _DTYPES:
            yield Finding.of(
                "DTYPE_UNSUPPORTED",
                f"{CONFIG}: {field}",
                found=f"The configuration names {value}",
                accepted=f"Bedrock imports {', '.join(_DTYPES)}.",
            )
