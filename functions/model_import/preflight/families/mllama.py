"""Llama 3.2 Vision."""

from __future__ import annotations

from typing import Any, Final

from model_import.preflight.families.decoders import ATTENTION, MLP, NORMS, decoder_sizes
from model_import.preflight.families.layout import ExpectedTensors, layer_norm, linear
from model_import.preflight.families.sizes import (
    LAYERS_AT_MOST,
    ConfigSizeError,
    Sizes,
    read_flag,
    read_numbers,
    read_section,
    read_size,
    read_sizes,
)

_TEXT_DEFAULTS: Final = {
    "vocab_size": 128_256,
    "hidden_size": 4_096,
    "intermediate_size": 14_336,
    "num_hidden_layers": 40,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
}
_VISION_DEFAULTS: Final = {
    "hidden_size": 1_280,
    "intermediate_size": 5_120,
    "num_channels": 3,
    "image_size": 448,
    "patch_size": 14,
    "max_num_tiles": 4,
    "vision_output_dim": 7_680,
}
_ASPECT_RATIOS: Final = 8
_CROSS_ATTENTION_LAYERS: Final = [3, 8, 13, 18, 23, 28, 33, 38]

_VISION_LAYER: Final = {
    **layer_norm("input_layernorm", "hidden_size"),
    **layer_norm("post_attention_layernorm", "hidden_size"),
    **{f"self_attn.{name}_proj.weight": "hidden_size, hidden_size" for name in "qkvo"},
    **linear("mlp.fc1", "intermediate_size", "hidden_size"),
    **linear("mlp.fc2", "hidden_size", "intermediate_size"),
}
_VISION_ENDS: Final = {
    "class_embedding": "hidden_size",
    "patch_embedding.weight": "hidden_size, num_channels, patch_size, patch_size",
    "gated_positional_embedding.gate": "1",
    "gated_positional_embedding.embedding": "patches+1, hidden_size",
    "gated_positional_embedding.tile_embedding.weight": (
        "supported_aspect_ratios+1, max_num_tiles*patches*hidden_size+max_num_tiles*hidden_size"
    ),
    "pre_tile_positional_embedding.gate": "1",
    "pre_tile_positional_embedding.embedding.weight": (
        "supported_aspect_ratios+1, max_num_tiles*hidden_size"
    ),
    "post_tile_positional_embedding.gate": "1",
    "post_tile_positional_embedding.embedding.weight": (
        "supported_aspect_ratios+1, max_num_tiles*hidden_size"
    ),
    **layer_norm("layernorm_pre", "hidden_size"),
    **layer_norm("layernorm_post", "hidden_size"),
}
_SELF_ATTENTION_LAYER: Final = {**ATTENTION, **NORMS, **MLP}
_CROSS_ATTENTION_LAYER: Final = {
    **{name.replace("self_attn", "cross_attn"): shape for name, shape in ATTENTION.items()},
    **NORMS,
    **MLP,
    "cross_attn.q_norm.weight": "head_dim",
    "cross_attn.k_norm.weight": "head_dim",
    "cross_attn_attn_gate": "1",
    "cross_attn_mlp_gate": "1",
}


def mllama(config: dict[str, Any]) -> ExpectedTensors:
    """Return the tensors of MllamaForConditionalGeneration."""
    text = read_section(config, "text_config")
    vision_sizes = _vision_sizes(read_section(config, "vision_config"))
    # The class ignores a head_dim field.
    values = decoder_sizes(text | {"head_dim": None}, _TEXT_DEFAULTS).values
    text_sizes = Sizes({**values, "vision_output_dim": vision_sizes["vision_output_dim"]})
    expected = ExpectedTensors()
    _require_vision(expected, vision_sizes)
    expected.require(
        "", linear("multi_modal_projector", "hidden_size", "vision_output_dim"), text_sizes
    )
    _require_text(expected, text, text_sizes)
    return expected


def _require_vision(expected: ExpectedTensors, sizes: Sizes) -> None:
    expected.require("vision_model.", _VISION_ENDS, sizes)
    for number in range(sizes["num_hidden_layers"]):
        expected.require_layer(f"vision_model.transformer.layers.{number}", _VISION_LAYER, sizes)
    gated = {**_VISION_LAYER, "gate_attn": "1", "gate_ffn": "1"}
    for number in range(sizes["num_global_layers"]):
        expected.require_layer(f"vision_model.global_transformer.layers.{number}", gated, sizes)


def _require_text(expected: ExpectedTensors, text: dict[str, Any], sizes: Sizes) -> None:
    crossing = read_numbers(text, "cross_attention_layers", _CROSS_ATTENTION_LAYERS)
    # Eight more rows than the head: the model reads the image token, but never writes it.
    expected.require(
        "language_model.model.", {"embed_tokens.weight": "vocab_size+8, hidden_size"}, sizes
    )
    for number in range(sizes["num_hidden_layers"]):
        layer = _CROSS_ATTENTION_LAYER if number in crossing else _SELF_ATTENTION_LAYER
        expected.require_layer(f"language_model.model.layers.{number}", layer, sizes)
    expected.require("language_model.model.", {"norm.weight": "hidden_size"}, sizes)
    tied = read_flag(text, "tie_word_embeddings", default=False)
    add_head = expected.allow if tied else expected.require
    rows = "vocab_size+8" if tied else "vocab_size"
    add_head("language_model.", {"lm_head.weight": f"{rows}, hidden_size"}, sizes)


def _vision_sizes(vision: dict[str, Any]) -> Sizes:
    values = read_sizes(vision, _VISION_DEFAULTS)
    for name, default in (("num_hidden_layers", 32), ("num_global_layers", 8)):
        values[name] = read_size(vision, name, default, at_most=LAYERS_AT_MOST)
    ratios = vision.get("supported_aspect_ratios")
    if ratios is not None and not isinstance(ratios, list):
        raise ConfigSizeError("supported_aspect_ratios", ratios, "a list of pairs")
    values["supported_aspect_ratios"] = _ASPECT_RATIOS if ratios is None else len(ratios)
    values["patches"] = (values["image_size"] // values["patch_size"]) ** 2
    return Sizes(values)
