"""What config.json says, against what Bedrock imports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from model_import.bedrock_rules import bedrock_rules
from model_import.preflight.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_import.bedrock_rules import Architecture

CONFIG: Final = "config.json"

_DTYPES: Final = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}


def check_configuration(config: dict[str, Any], region: str) -> Iterator[Finding]:
    """Yield what is wrong with the configuration; `region` is where the import would run."""
    rules = bedrock_rules()
    if region not in rules.regions:
        yield Finding.of(
            "REGION_UNSUPPORTED",
            region,
            found="Custom Model Import does not exist in this Region",
            accepted=f"Regions: {', '.join(rules.regions)}.",
        )
    architecture = rules.architecture(str(config.get("model_type")))
    if architecture is None:
        yield _unsupported(config)
    else:
        yield from _check_class(config, architecture, region)
        yield from _check_context_length(config, architecture)
    yield from _check_rope(config)
    yield from _check_custom_code(config)
    yield from _check_quantisation(config)
    yield from _check_dtype(config)


def architecture_class(config: dict[str, Any]) -> str | None:
    """Return `architectures[0]`, or None when the configuration names none."""
    match config.get("architectures"):
        case [str(first), *_]:
            return first
        case _:
            return None


def context_length(config: dict[str, Any]) -> int | None:
    """Return the context length in tokens, from wherever the family keeps it."""
    text = config.get("text_config")
    for place in (config, text if isinstance(text, dict) else {}):
        for field in ("max_position_embeddings", "n_positions"):
            value = place.get(field)
            if type(value) is int and value > 0:
                return value
    return None


def _unsupported(config: dict[str, Any]) -> Finding:
    rules = bedrock_rules()
    return Finding.of(
        "ARCH_UNSUPPORTED",
        f"{CONFIG}: model_type",
        found=f"The model is {config.get('model_type')!r} ({architecture_class(config)})",
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
            found=f"{architecture.name} is not imported in {region}",
            accepted=f"Regions for it: {', '.join(architecture.regions)}.",
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
            found="The configuration states no context length",
            accepted=f"A whole number of tokens, {at_most} at most.",
        )
    elif found > at_most:
        yield Finding.of(
            "CONTEXT_TOO_LONG",
            f"{CONFIG}: max_position_embeddings",
            found=f"The model takes {found} tokens of context",
            accepted=f"Bedrock accepts {at_most} at most.",
        )


def _check_rope(config: dict[str, Any]) -> Iterator[Finding]:
    served = bedrock_rules().llama3_rope
    scaling = config.get("rope_scaling")
    if not isinstance(scaling, dict) or "llama3" not in (
        scaling.get("rope_type"),
        scaling.get("type"),
    ):
        return
    differing = {name: scaling.get(name) for name in served if scaling.get(name) != served[name]}
    if differing:
        yield Finding.of(
            "ROPE_OVERRIDDEN",
            f"{CONFIG}: rope_scaling",
            found=f"The model was trained with {_pairs(differing)}",
            accepted=f"Bedrock serves every llama3 scaling with {_pairs(served)}.",
        )


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _check_custom_code(config: dict[str, Any]) -> Iterator[Finding]:
    if config.get("auto_map"):
        yield Finding.of(
            "CUSTOM_CODE",
            f"{CONFIG}: auto_map",
            found="The repository brings code of its own for the model",
            accepted="Bedrock runs none of it: it loads the class that it knows by that name.",
        )


def _check_quantisation(config: dict[str, Any]) -> Iterator[Finding]:
    text = config.get("text_config")
    for place in (config, text if isinstance(text, dict) else {}):
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
                found=f"The configuration says {value}",
                accepted=f"Bedrock imports {', '.join(_DTYPES)}.",
            )
