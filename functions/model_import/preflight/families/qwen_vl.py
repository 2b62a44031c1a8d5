"""Qwen2-VL and Qwen2.5-VL, with the names that transformers saves up to Bedrock's version."""

from __future__ import annotations

from typing import Any, Final

from model_import.preflight.families.decoders import (
    ATTENTION,
    MLP,
    NORMS,
    QKV_BIASES,
    decoder,
    decoder_sizes,
)
from model_import.preflight.families.layout import ExpectedTensors, Shapes, layer_norm, linear
from model_import.preflight.families.sizes import (
    LAYERS_AT_MOST,
    ConfigSizeError,
    Sizes,
    read_section,
    read_size,
    read_sizes,
)

_TEXT_DEFAULTS: Final = {
    "vocab_size": 152_064,
    "hidden_size": 8_192,
    "intermediate_size": 29_568,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
}
_PATCH_DEFAULTS: Final = {
    "in_channels": 3,
    "patch_size": 14,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
}
_PATCHES: Final = "in_channels, temporal_patch_size, patch_size, patch_size"


def qwen2_vl(config: dict[str, Any]) -> ExpectedTensors:
    """Return the tensors of Qwen2VLForConditionalGeneration."""
    vision = read_section(config, "vision_config")
    values = read_sizes(vision, {**_PATCH_DEFAULTS, "embed_dim": 1_280, "hidden_size": 3_584})
    sizes = Sizes({**values, "mlp_ratio": _mlp_ratio(vision)})
    block = {
        **layer_norm("norm1", "embed_dim"),
        **layer_norm("norm2", "embed_dim"),
        **linear("attn.qkv", "3*embed_dim", "embed_dim"),
        **linear("attn.proj", "embed_dim", "embed_dim"),
        **linear("mlp.fc1", "embed_dim*mlp_ratio", "embed_dim"),
        **linear("mlp.fc2", "embed_dim", "embed_dim*mlp_ratio"),
    }
    ends = {
        "patch_embed.proj.weight": f"embed_dim, {_PATCHES}",
        **layer_norm("merger.ln_q", "embed_dim"),
        **_merger("embed_dim", "hidden_size"),
    }
    return _with_vision(config, sizes, block, ends)


def qwen2_5_vl(config: dict[str, Any]) -> ExpectedTensors:
    """Return the tensors of Qwen2_5_VLForConditionalGeneration."""
    widths = {"hidden_size": 3_584, "intermediate_size": 3_420, "out_hidden_size": 3_584}
    sizes = Sizes(read_sizes(read_section(config, "vision_config"), {**_PATCH_DEFAULTS, **widths}))
    block = {
        "norm1.weight": "hidden_size",
        "norm2.weight": "hidden_size",
        **linear("attn.qkv", "3*hidden_size", "hidden_size"),
        **linear("attn.proj", "hidden_size", "hidden_size"),
        **linear("mlp.gate_proj", "intermediate_size", "hidden_size"),
        **linear("mlp.up_proj", "intermediate_size", "hidden_size"),
        **linear("mlp.down_proj", "hidden_size", "intermediate_size"),
    }
    ends = {
        "patch_embed.proj.weight": f"hidden_size, {_PATCHES}",
        "merger.ln_q.weight": "hidden_size",
        **_merger("hidden_size", "out_hidden_size"),
    }
    return _with_vision(config, sizes, block, ends)


def _with_vision(
    config: dict[str, Any], sizes: Sizes, block: Shapes, ends: Shapes
) -> ExpectedTensors:
    # Later versions write the text model's fields into text_config, Bedrock's at the top level.
    text = {**read_section(config, "text_config"), **config, "head_dim": None}
    text_layer = {**ATTENTION, **QKV_BIASES, **NORMS, **MLP}
    expected = decoder(text, decoder_sizes(text, _TEXT_DEFAULTS), lambda _: text_layer)
    expected.require("visual.", ends, sizes)
    vision = read_section(config, "vision_config")
    for number in range(read_size(vision, "depth", 32, at_most=LAYERS_AT_MOST)):
        expected.require_layer(f"visual.blocks.{number}", block, sizes)
    return expected


def _merger(width: str, output: str) -> dict[str, str]:
    merged = f"{width}*spatial_merge_size*spatial_merge_size"
    return {**linear("merger.mlp.0", merged, merged), **linear("merger.mlp.2", output, merged)}


def _mlp_ratio(vision: dict[str, Any]) -> int:
    ratio = vision.get("mlp_ratio", 4)
    if isinstance(ratio, float) and ratio.is_integer():
        return read_size({"mlp_ratio": int(ratio)}, "mlp_ratio", 4)
    if isinstance(ratio, float):
        raise ConfigSizeError("mlp_ratio", ratio, "a whole number")
    return read_size(vision, "mlp_ratio", 4)
