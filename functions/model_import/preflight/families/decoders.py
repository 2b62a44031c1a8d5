"""Llama and similar families: Mistral, Mixtral, Qwen2, Qwen3, Qwen3 MoE and GPT-OSS."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from model_import.preflight.families.layout import ExpectedTensors, Shapes
from model_import.preflight.families.sizes import (
    EXPERTS_AT_MOST,
    LAYERS_AT_MOST,
    Sizes,
    read_flag,
    read_numbers,
    read_size,
    read_size_or,
    read_sizes,
    rename_aliases,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ATTENTION: Final[Shapes] = MappingProxyType(
    {
        "self_attn.q_proj.weight": "num_attention_heads*head_dim, hidden_size",
        "self_attn.k_proj.weight": "num_key_value_heads*head_dim, hidden_size",
        "self_attn.v_proj.weight": "num_key_value_heads*head_dim, hidden_size",
        "self_attn.o_proj.weight": "hidden_size, num_attention_heads*head_dim",
    }
)
QKV_BIASES: Final[Shapes] = MappingProxyType(
    {
        "self_attn.q_proj.bias": "num_attention_heads*head_dim",
        "self_attn.k_proj.bias": "num_key_value_heads*head_dim",
        "self_attn.v_proj.bias": "num_key_value_heads*head_dim",
    }
)
NORMS: Final[Shapes] = MappingProxyType(
    {
        "input_layernorm.weight": "hidden_size",
        "post_attention_layernorm.weight": "hidden_size",
    }
)
MLP: Final[Shapes] = MappingProxyType(
    {
        "mlp.gate_proj.weight": "intermediate_size, hidden_size",
        "mlp.up_proj.weight": "intermediate_size, hidden_size",
        "mlp.down_proj.weight": "hidden_size, intermediate_size",
    }
)
_OUTPUT_BIAS: Final[Shapes] = MappingProxyType({"self_attn.o_proj.bias": "hidden_size"})
_QK_NORMS: Final[Shapes] = MappingProxyType(
    {
        "self_attn.q_norm.weight": "head_dim",
        "self_attn.k_norm.weight": "head_dim",
    }
)
_MLP_BIASES: Final[Shapes] = MappingProxyType(
    {
        "mlp.gate_proj.bias": "intermediate_size",
        "mlp.up_proj.bias": "intermediate_size",
        "mlp.down_proj.bias": "hidden_size",
    }
)


def llama(config: dict[str, Any]) -> ExpectedTensors:
    """Return the tensors of LlamaForCausalLM."""
    sizes = decoder_sizes(config, _defaults(32_000, 4_096, 11_008, 32, 32, None))
    layer = {**ATTENTION, **NORMS, **MLP, **_attention_biases(config)}
    if read_flag(config, "mlp_bias", default=False):
        layer |= _MLP_BIASES
    return decoder(config, sizes, lambda _: layer)


def mistral(config: dict[str, Any]) -> ExpectedTensors:
    """Return the tensors of MistralForCausalLM."""
    sizes = decoder_sizes(config, _defaults(32_000, 4_096, 14_336, 32, 32, 8))
    return decoder(config, sizes, lambda _: {**ATTENTION, **NORMS, **MLP})


def mixtral(config: dict[str, Any]) -> ExpectedTensors:
    """Return the tensors of MixtralForCausalLM."""
    values = decoder_sizes(config, _defaults(32_000, 4_096, 14_336, 32, 32, 8)).values
    experts = read_size(config, "num_local_experts", 8, at_most=EXPERTS_AT_MOST)
    layer = {**ATTENTION, **NORMS, "block_sparse_moe.gate.weight": "num_local_experts, hidden_size"}
    for number in range(experts):
        expert = f"block_sparse_moe.experts.{number}"
        layer[f"{expert}.w1.weight"] = "intermediate_size, hidden_size"
        layer[f"{expert}.w2.weight"] = "hidden_size, intermediate_size"
        layer[f"{expert}.w3.weight"] = "intermediate_size, hidden_size"
    return decoder(config, Sizes({**values, "num_local_experts": experts}), lambda _: layer)


def qwen2(config: dict[str, Any]) -> ExpectedTensors:
    """Return the tensors of Qwen2ForCausalLM."""
    sizes = decoder_sizes(config, _defaults(151_936, 4_096, 22_016, 32, 32, 32))
    return decoder(config, sizes, lambda _: {**ATTENTION, **QKV_BIASES, **NORMS, **MLP})


def qwen3(config: dict[str, Any]) -> ExpectedTensors:
    """Return the tensors of Qwen3ForCausalLM."""
    sizes = decoder_sizes(config, _defaults(151_936, 4_096, 22_016, 32, 32, 32), head_dim=128)
    layer = {**ATTENTION, **_QK_NORMS, **NORMS, **MLP, **_attention_biases(config)}
    return decoder(config, sizes, lambda _: layer)


def qwen3_moe(config: dict[str, Any]) -> ExpectedTensors:
    """Return the tensors of Qwen3MoeForCausalLM, whose layers are dense or have experts."""
    if "num_experts" not in config:
        # The name that transformers 5 writes.
        config = rename_aliases(config, {"num_local_experts": "num_experts"})
    values = decoder_sizes(config, _defaults(151_936, 2_048, 6_144, 24, 32, 4)).values
    experts = read_size(config, "num_experts", 128, at_most=EXPERTS_AT_MOST)
    width = read_size(config, "moe_intermediate_size", 768)
    step = read_size(config, "decoder_sparse_step", 1)
    dense_layers = read_numbers(config, "mlp_only_layers", [])
    shared = {**ATTENTION, **_QK_NORMS, **NORMS, **_attention_biases(config)}
    dense = {**shared, **MLP}
    sparse = {**shared, "mlp.gate.weight": "num_experts, hidden_size"}
    for number in range(experts):
        expert = f"mlp.experts.{number}"
        sparse[f"{expert}.gate_proj.weight"] = "moe_intermediate_size, hidden_size"
        sparse[f"{expert}.up_proj.weight"] = "moe_intermediate_size, hidden_size"
        sparse[f"{expert}.down_proj.weight"] = "hidden_size, moe_intermediate_size"
    return decoder(
        config,
        Sizes({**values, "num_experts": experts, "moe_intermediate_size": width}),
        lambda layer: dense if layer in dense_layers or (layer + 1) % step else sparse,
    )


def gpt_oss(config: dict[str, Any]) -> ExpectedTensors:
    """Return the tensors of GptOssForCausalLM in BF16, where one tensor holds all experts.

    Source: modeling_gpt_oss.py and configuration_gpt_oss.py; recorded from transformers 5.
    """
    values = decoder_sizes(config, _defaults(201_088, 2_880, 2_880, 36, 64, 8), head_dim=64).values
    experts = read_size(config, "num_local_experts", 128, at_most=EXPERTS_AT_MOST)
    layer = {
        **ATTENTION,
        **_attention_biases(config, default=True),
        **NORMS,
        "self_attn.sinks": "num_attention_heads",
        "mlp.router.weight": "num_local_experts, hidden_size",
        "mlp.router.bias": "num_local_experts",
        "mlp.experts.gate_up_proj": "num_local_experts, hidden_size, 2*intermediate_size",
        "mlp.experts.gate_up_proj_bias": "num_local_experts, 2*intermediate_size",
        "mlp.experts.down_proj": "num_local_experts, intermediate_size, hidden_size",
        "mlp.experts.down_proj_bias": "num_local_experts, hidden_size",
    }
    return decoder(config, Sizes({**values, "num_local_experts": experts}), lambda _: layer)


def decoder_sizes(
    config: dict[str, Any], defaults: Mapping[str, int | None], *, head_dim: int | None = None
) -> Sizes:
    """Return the sizes that every decoder has; a default of None means a computed one."""
    heads = read_size(config, "num_attention_heads", defaults["num_attention_heads"] or 0)
    values = read_sizes(
        config,
        {
            name: default or heads
            for name, default in defaults.items()
            if name not in {"num_key_value_heads", "num_hidden_layers"}
        },
    )
    values["num_key_value_heads"] = read_size_or(
        config, "num_key_value_heads", defaults["num_key_value_heads"] or heads, when_null=heads
    )
    values["num_hidden_layers"] = read_size(
        config, "num_hidden_layers", defaults["num_hidden_layers"] or 0, at_most=LAYERS_AT_MOST
    )
    split = values["hidden_size"] // heads
    values["head_dim"] = read_size_or(config, "head_dim", head_dim or split, when_null=split)
    return Sizes(values)


def decoder(
    config: dict[str, Any], sizes: Sizes, layer_shapes: Callable[[int], Shapes]
) -> ExpectedTensors:
    """Return the embedding, layers, norm and head of a text model."""
    expected = ExpectedTensors()
    expected.require("model.", {"embed_tokens.weight": "vocab_size, hidden_size"}, sizes)
    for number in range(sizes["num_hidden_layers"]):
        expected.require_layer(f"model.layers.{number}", layer_shapes(number), sizes)
    expected.require("model.", {"norm.weight": "hidden_size"}, sizes)
    tied = read_flag(config, "tie_word_embeddings", default=False)
    add_head = expected.allow if tied else expected.require
    add_head("", {"lm_head.weight": "vocab_size, hidden_size"}, sizes)
    return expected


def _attention_biases(config: dict[str, Any], *, default: bool = False) -> Shapes:
    if read_flag(config, "attention_bias", default=default):
        return {**QKV_BIASES, **_OUTPUT_BIAS}
    return {}


def _defaults(  # noqa: PLR0913, PLR0917 – one row of a table of configuration classes
    vocabulary: int, hidden: int, intermediate: int, layers: int, heads: int, kv_heads: int | None
) -> dict[str, int | None]:
    return {
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
    }
