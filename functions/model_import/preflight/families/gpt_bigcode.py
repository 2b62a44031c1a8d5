"""GPTBigCode: StarCoder and SantaCoder."""

from __future__ import annotations

from typing import Any, Final

from model_import.preflight.families.layout import ExpectedTensors, layer_norm, linear
from model_import.preflight.families.sizes import (
    LAYERS_AT_MOST,
    Sizes,
    read_flag,
    read_size,
    read_size_or,
    read_sizes,
    rename_aliases,
)

_ALIASES: Final = {
    "hidden_size": "n_embd",
    "max_position_embeddings": "n_positions",
    "num_attention_heads": "n_head",
    "num_hidden_layers": "n_layer",
}


def gpt_bigcode(config: dict[str, Any]) -> ExpectedTensors:
    """Return the tensors of GPTBigCodeForCausalLM."""
    config = rename_aliases(config, _ALIASES)
    sizes = _sizes(config)
    multi_query = read_flag(config, "multi_query", default=True)
    key_and_value = "2*head_dim" if multi_query else "2*n_embd"
    layer = {
        **layer_norm("ln_1", "n_embd"),
        **linear("attn.c_attn", f"n_embd+{key_and_value}", "n_embd"),
        **linear("attn.c_proj", "n_embd", "n_embd"),
        **layer_norm("ln_2", "n_embd"),
        **linear("mlp.c_fc", "n_inner", "n_embd"),
        **linear("mlp.c_proj", "n_embd", "n_inner"),
    }
    expected = ExpectedTensors(also_ignored=frozenset({"transformer.bias"}))
    expected.require(
        "transformer.",
        {"wte.weight": "vocab_size, n_embd", "wpe.weight": "n_positions, n_embd"},
        sizes,
    )
    for number in range(sizes["n_layer"]):
        expected.require_layer(f"transformer.h.{number}", layer, sizes)
    expected.require("transformer.", layer_norm("ln_f", "n_embd"), sizes)
    tied = read_flag(config, "tie_word_embeddings", default=True)
    add_head = expected.allow if tied else expected.require
    add_head("", {"lm_head.weight": "vocab_size, n_embd"}, sizes)
    return expected


def _sizes(config: dict[str, Any]) -> Sizes:
    values = read_sizes(
        config, {"vocab_size": 50_257, "n_positions": 1_024, "n_embd": 768, "n_head": 12}
    )
    inner = 4 * values["n_embd"]
    values["n_inner"] = read_size_or(config, "n_inner", inner, when_null=inner)
    values["n_layer"] = read_size(config, "n_layer", 12, at_most=LAYERS_AT_MOST)
    values["head_dim"] = values["n_embd"] // values["n_head"]
    return Sizes(values)
