# /// script
# requires-python = ">=3.11"
# dependencies = ["torch>=2.6", "transformers==4.51.3", "safetensors>=0.4.3"]
# ///
"""Record which tensors transformers saves for tiny models of each family.

    uv run --script tests/recorders/record_family_headers.py
    uv run --with torch --with transformers==5.23.0 tests/recorders/record_family_headers.py

Writes tests/unit/data/family_headers.json, or family_headers_5.json with transformers 5: by case,
the saved config.json and the shape of every tensor in the headers; by family, the configuration
that Bedrock's version reads from an empty config.json. Only tests read these files.
"""

import importlib
import json
import tempfile
from pathlib import Path
from typing import Any

TEXT: dict[str, Any] = {
    "vocab_size": 48,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "tie_word_embeddings": False,
    "pad_token_id": 0,
}
BIGCODE = {"vocab_size": 48, "n_positions": 20, "n_embd": 24, "n_layer": 2, "n_head": 4}
T5 = {"vocab_size": 48, "d_model": 24, "d_kv": 5, "d_ff": 40, "num_layers": 2, "num_heads": 4}
QWEN_VISION = {"depth": 2, "num_heads": 2, "patch_size": 4}
QWEN2_VISION = QWEN_VISION | {"embed_dim": 16, "hidden_size": 24, "mlp_ratio": 3}
QWEN25_VISION = QWEN_VISION | {"hidden_size": 16, "intermediate_size": 20, "out_hidden_size": 24}
MLLAMA_VISION = {
    "hidden_size": 16,
    "intermediate_size": 28,
    "num_hidden_layers": 2,
    "num_global_layers": 1,
    "num_attention_heads": 2,
    "image_size": 12,
    "patch_size": 4,
    "max_num_tiles": 2,
    "supported_aspect_ratios": [[1, 1], [1, 2], [2, 1]],
    "intermediate_layers_indices": [0, 1],
    "vision_output_dim": 48,
}
MLLAMA_TEXT = TEXT | {
    "num_hidden_layers": 3,
    "cross_attention_layers": [1],
    "rope_scaling": {"rope_type": "default"},
}
MOE = TEXT | {"num_experts": 3, "num_experts_per_tok": 2, "moe_intermediate_size": 12}

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", TEXT),
    "llama tied": ("Llama", TEXT | {"tie_word_embeddings": True}),
    "llama with biases": ("Llama", TEXT | {"attention_bias": True, "mlp_bias": True}),
    "llama with head_dim": ("Llama", TEXT | {"head_dim": 10}),
    "llama without grouped heads": ("Llama", TEXT | {"num_key_value_heads": None}),
    "mistral": ("Mistral", TEXT),
    "mistral with head_dim": ("Mistral", TEXT | {"head_dim": 10}),
    "mixtral": ("Mixtral", TEXT | {"num_local_experts": 3}),
    "qwen2": ("Qwen2", TEXT),
    "qwen2 tied": ("Qwen2", TEXT | {"tie_word_embeddings": True}),
    "qwen3": ("Qwen3", TEXT | {"head_dim": 10}),
    "qwen3 by default head_dim": ("Qwen3", TEXT | {"tie_word_embeddings": True}),
    "qwen3 with biases": ("Qwen3", TEXT | {"head_dim": 10, "attention_bias": True}),
    "qwen3_moe": ("Qwen3Moe", MOE),
    "qwen3_moe with head_dim": ("Qwen3Moe", MOE | {"head_dim": 10}),
    "qwen3_moe every other layer": (
        "Qwen3Moe",
        MOE | {"num_hidden_layers": 4, "decoder_sparse_step": 2, "mlp_only_layers": [1]},
    ),
    "gpt_bigcode": ("GPTBigCode", BIGCODE),
    "gpt_bigcode untied": ("GPTBigCode", BIGCODE | {"tie_word_embeddings": False, "n_inner": 50}),
    "gpt_bigcode of many queries": ("GPTBigCode", BIGCODE | {"multi_query": False}),
    "t5": ("T5", T5),
    "t5 gated and untied": (
        "T5",
        T5
        | {
            "feed_forward_proj": "gated-gelu",
            "tie_word_embeddings": False,
            "num_decoder_layers": 3,
            "relative_attention_num_buckets": 8,
        },
    ),
    "mllama": ("Mllama", {"text_config": MLLAMA_TEXT, "vision_config": MLLAMA_VISION}),
    "mllama tied": (
        "Mllama",
        {
            "text_config": MLLAMA_TEXT | {"tie_word_embeddings": True},
            "vision_config": MLLAMA_VISION,
        },
    ),
    "qwen2_vl": ("Qwen2VL", TEXT | {"vision_config": QWEN2_VISION}),
    "qwen2_vl tied": (
        "Qwen2VL",
        TEXT | {"vision_config": QWEN2_VISION, "tie_word_embeddings": True},
    ),
    "gpt_oss": ("GptOss", TEXT | {"num_local_experts": 3, "num_experts_per_tok": 2}),
    "gpt_oss without biases": (
        "GptOss",
        TEXT
        | {
            "num_local_experts": 3,
            "num_experts_per_tok": 2,
            "head_dim": 10,
            "attention_bias": False,
            "tie_word_embeddings": True,
        },
    ),
    "qwen2_5_vl": ("Qwen2_5_VL", TEXT | {"vision_config": QWEN25_VISION}),
}
# Bedrock's version does not have the first ones; 5 saves the last one with an untied head.
ONLY_IN_5 = {"gpt_oss", "gpt_oss without biases"}
ONLY_IN_4 = {"mllama tied"}
CONDITIONAL = {"T5", "Mllama", "Qwen2VL", "Qwen2_5_VL"}


def record(family: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return config.json and the shapes of a random model, as save_pretrained writes them."""
    transformers = importlib.import_module("transformers")
    safetensors = importlib.import_module("safetensors")
    head = "ForConditionalGeneration" if family in CONDITIONAL else "ForCausalLM"
    config = getattr(transformers, f"{family}Config")(**fields)
    with tempfile.TemporaryDirectory() as folder:
        getattr(transformers, f"{family}{head}")(config).save_pretrained(folder)
        with safetensors.safe_open(f"{folder}/model.safetensors", "pt") as weights:
            names = weights.keys()
            tensors = {name: weights.get_slice(name).get_shape() for name in names}
        saved = json.loads(Path(folder, "config.json").read_text(encoding="utf-8"))
    return {"config": saved, "tensors": dict(sorted(tensors.items()))}


def defaults(family: str) -> dict[str, Any]:
    """Return the defaults of a family's class that differ from those of all classes."""
    transformers = importlib.import_module("transformers")
    everything = getattr(transformers, f"{family}Config")().to_dict()
    common = transformers.PretrainedConfig().to_dict()
    return {
        name: value
        for name, value in everything.items()
        if value is not None and common.get(name, ...) != value
    }


def main() -> None:
    """Write the data file of the installed version."""
    is_5 = importlib.import_module("transformers").__version__.startswith("5.")
    left_out = ONLY_IN_4 if is_5 else ONLY_IN_5
    wanted = {case: made_of for case, made_of in CASES.items() if case not in left_out}
    recorded = {case: record(*made_of) for case, made_of in wanted.items()}
    if not is_5:
        for family in sorted({family for family, _ in wanted.values()}):
            recorded[f"{family} by default"] = {"config": defaults(family)}
    name = "family_headers_5.json" if is_5 else "family_headers.json"
    path = Path(__file__).parents[1] / "unit" / "data" / name
    path.parent.mkdir(exist_ok=True)
    lines = (f"{json.dumps(case)}: {json.dumps(entry)}" for case, entry in recorded.items())
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
