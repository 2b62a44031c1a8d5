"""T5 and Flan-T5."""

from __future__ import annotations

from typing import Any, Final

from model_import.preflight.families.layout import ExpectedTensors
from model_import.preflight.families.sizes import (
    LAYERS_AT_MOST,
    ConfigSizeError,
    Sizes,
    read_flag,
    read_size,
    read_sizes,
    rename_aliases,
)

_ALIASES: Final = {
    "hidden_size": "d_model",
    "num_attention_heads": "num_heads",
    "num_hidden_layers": "num_layers",
    "head_dim": "d_kv",
}
_EMBEDDING: Final = "vocab_size, d_model"
_COPIES: Final = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")


def t5(config: dict[str, Any]) -> ExpectedTensors:
    """Return the tensors of T5ForConditionalGeneration."""
    config = rename_aliases(config, _ALIASES)
    sizes = _sizes(config)
    feed_forward = _feed_forward(config)
    # The converter of T5's first checkpoints left it; the model class has no such module.
    stray = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
    expected = ExpectedTensors(also_ignored=frozenset({stray}))
    expected.require("", {"shared.weight": _EMBEDDING}, sizes)
    expected.allow("", dict.fromkeys(_COPIES, _EMBEDDING), sizes)
    expected.alternatives["shared.weight"] = _COPIES
    _require_stack(expected, "encoder", (_attention(0, "SelfAttention"),), feed_forward, sizes)
    attentions = (_attention(0, "SelfAttention"), _attention(1, "EncDecAttention"))
    _require_stack(expected, "decoder", attentions, feed_forward, sizes)
    tied = read_flag(config, "tie_word_embeddings", default=True)
    add_head = expected.allow if tied else expected.require
    add_head("", {"lm_head.weight": _EMBEDDING}, sizes)
    return expected


def _require_stack(
    expected: ExpectedTensors,
    stack: str,
    attentions: tuple[dict[str, str], ...],
    feed_forward: dict[str, str],
    sizes: Sizes,
) -> None:
    layer = {name: formula for shapes in attentions for name, formula in shapes.items()}
    number = len(attentions)
    layer |= {f"layer.{number}.{name}": formula for name, formula in feed_forward.items()}
    # All blocks of a stack share one table of relative positions.
    positions = {
        "layer.0.SelfAttention.relative_attention_bias.weight": (
            "relative_attention_num_buckets, num_heads"
        )
    }
    for block in range(sizes[f"{stack}_layers"]):
        shapes = layer if block else {**layer, **positions}
        expected.require_layer(f"{stack}.block.{block}", shapes, sizes)
    expected.require(f"{stack}.", {"final_layer_norm.weight": "d_model"}, sizes)


def _attention(number: int, name: str) -> dict[str, str]:
    return {
        f"layer.{number}.{name}.q.weight": "num_heads*d_kv, d_model",
        f"layer.{number}.{name}.k.weight": "num_heads*d_kv, d_model",
        f"layer.{number}.{name}.v.weight": "num_heads*d_kv, d_model",
        f"layer.{number}.{name}.o.weight": "d_model, num_heads*d_kv",
        f"layer.{number}.layer_norm.weight": "d_model",
    }


def _feed_forward(config: dict[str, Any]) -> dict[str, str]:
    activation = config.get("feed_forward_proj", "relu")
    if not isinstance(activation, str):
        raise ConfigSizeError("feed_forward_proj", activation, "relu, gated-gelu or the like")
    gated = activation.startswith("gated-")
    inputs = ("wi_0", "wi_1") if gated else ("wi",)
    return {
        **{f"DenseReluDense.{name}.weight": "d_ff, d_model" for name in inputs},
        "DenseReluDense.wo.weight": "d_model, d_ff",
        "layer_norm.weight": "d_model",
    }


def _sizes(config: dict[str, Any]) -> Sizes:
    values = read_sizes(
        config,
        {
            "vocab_size": 32_128,
            "d_model": 512,
            "d_kv": 64,
            "d_ff": 2_048,
            "num_heads": 8,
            "relative_attention_num_buckets": 32,
        },
    )
    layers = read_size(config, "num_layers", 6, at_most=LAYERS_AT_MOST)
    decoder_layers = layers
    if config.get("num_decoder_layers") is not None:
        decoder_layers = read_size(config, "num_decoder_layers", layers, at_most=LAYERS_AT_MOST)
    return Sizes({**values, "encoder_layers": layers, "decoder_layers": decoder_layers})
