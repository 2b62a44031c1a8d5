"""Records configurations as transformers 5 writes them, and how both versions read them.

Three steps fill data/transformers5_configs.json, each in its own environment:

    PYTHONPATH=tests uv run --no-project --with transformers==5.23.0 \
        tests/recorders/record_transformers5_configs.py write
    PYTHONPATH=functions:tests uv run tests/recorders/record_transformers5_configs.py normalise
    PYTHONPATH=tests uv run --no-project --with torch --with transformers==$VERSION \
        tests/recorders/record_transformers5_configs.py read

VERSION is what [transformers] in functions/model_import/bedrock/rules.toml states.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from recorders.recording_steps import folder_of, record, saved, staged

CONFIG = "config.json"

SIZES = {
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 3,
}
DECODER = {**SIZES, "dtype": "bfloat16", "max_position_embeddings": 32768}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
YARN = {
    "rope_type": "yarn",
    "rope_theta": 1000000.0,
    "factor": 4.0,
    "original_max_position_embeddings": 32768,
}
MROPE = {"rope_type": "default", "rope_theta": 5000000.0, "mrope_section": [2, 3, 3]}
THETA = {"rope_type": "default", "rope_theta": 1000000.0}
EXPERTS = {"num_experts": 16, "num_experts_per_tok": 4, "moe_intermediate_size": 32}
SLIDING = {"use_sliding_window": True, "sliding_window": 4096}
T5 = {
    "vocab_size": 320,
    "d_model": 64,
    "d_kv": 16,
    "d_ff": 96,
    "num_layers": 4,
    "num_heads": 4,
    "dtype": "float32",
}
BIGCODE = {"vocab_size": 320, "n_positions": 128, "n_embd": 64, "n_layer": 4, "n_head": 4}
VISION = {
    "qwen2_vl": {"depth": 2, "embed_dim": 32, "hidden_size": 64, "num_heads": 4},
    "qwen2_5_vl": {"depth": 2, "hidden_size": 32, "num_heads": 4, "out_hidden_size": 64},
    "mllama": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_global_layers": 2,
        "attention_heads": 4,
        "vision_output_dim": 64,
        "intermediate_layers_indices": [0, 1],
    },
}


def vision(family: str, text: dict[str, Any], **others: object) -> tuple[str, dict[str, Any]]:
    sections = {"text_config": {**SIZES, **text}, "vision_config": VISION[family]}
    return family, {**sections, "dtype": "bfloat16", **others}


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama, theta of a million": ("llama", {**DECODER, "rope_parameters": THETA}),
    "llama, llama3 scaling": (
        "llama",
        {**DECODER, "max_position_embeddings": 131072, "rope_parameters": LLAMA3},
    ),
    "llama, linear scaling, tied, own head width": (
        "llama",
        {
            **DECODER,
            "rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0},
            "tie_word_embeddings": True,
            "head_dim": 32,
        },
    ),
    "llama, dynamic scaling, several ends, float16": (
        "llama",
        {
            **DECODER,
            "rope_parameters": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0},
            "eos_token_id": [2, 4],
            "pad_token_id": None,
            "dtype": "float16",
        },
    ),
    "mistral, sliding window": (
        "mistral",
        {**DECODER, "rope_parameters": THETA, "sliding_window": 2048},
    ),
    "mistral, no window, own head width": (
        "mistral",
        {**DECODER, "rope_parameters": THETA, "sliding_window": None, "head_dim": 32},
    ),
    "mistral, yarn": (
        "mistral",
        {**DECODER, "rope_parameters": YARN, "max_position_embeddings": 131072},
    ),
    "mixtral, four experts": (
        "mixtral",
        {
            **DECODER,
            "rope_parameters": {"rope_type": "default", "rope_theta": 20000.0},
            "num_local_experts": 4,
        },
    ),
    "gpt_bigcode": ("gpt_bigcode", {**BIGCODE, "dtype": "float16"}),
    "gpt_bigcode, many key heads": ("gpt_bigcode", {**BIGCODE, "multi_query": False}),
    "t5, the original": ("t5", T5),
    "t5, the gated one of Flan": (
        "t5",
        {**T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
    ),
    "qwen2, theta of a million, tied": (
        "qwen2",
        {**DECODER, "rope_parameters": THETA, "tie_word_embeddings": True},
    ),
    "qwen2, yarn, sliding window in the upper layers": (
        "qwen2",
        {
            **DECODER,
            **SLIDING,
            "rope_parameters": YARN,
            "max_position_embeddings": 131072,
            "max_window_layers": 2,
        },
    ),
    "qwen3, theta of a million": ("qwen3", {**DECODER, "rope_parameters": THETA, "head_dim": 32}),
    "qwen3, yarn, tied": (
        "qwen3",
        {
            **DECODER,
            "rope_parameters": YARN,
            "max_position_embeddings": 131072,
            "tie_word_embeddings": True,
        },
    ),
    "qwen3_moe, sixteen experts": (
        "qwen3_moe",
        {**DECODER, **EXPERTS, "rope_parameters": THETA, "head_dim": 32, "norm_topk_prob": True},
    ),
    "qwen3_moe, sliding window": (
        "qwen3_moe",
        {**DECODER, **EXPERTS, **SLIDING, "rope_parameters": THETA},
    ),
    "mllama, llama3 scaling": vision("mllama", {"rope_parameters": LLAMA3}),
    "qwen2_vl, tied": vision("qwen2_vl", {"rope_parameters": MROPE}, tie_word_embeddings=True),
    "qwen2_5_vl": vision("qwen2_5_vl", {"rope_parameters": MROPE}),
    "qwen2_5_vl, yarn, dtype of the text alone": vision(
        "qwen2_5_vl",
        {
            "rope_parameters": {**YARN, "mrope_section": [2, 3, 3]},
            "max_position_embeddings": 131072,
            "dtype": "bfloat16",
        },
        dtype=None,
    ),
}
CASES["mllama, llama3 scaling"][1]["text_config"]["cross_attention_layers"] = [1, 3]

BOOKKEEPING = {
    "_name_or_path",
    "architectures",
    "dtype",
    "id2label",
    "label2id",
    "layer_types",
    "model_type",
    "num_local_experts",
    "rope_parameters",
    "scale_decoder_outputs",
    "text_config",
    "transformers_version",
    "vision_config",
}
"""Fields that are not values of the model, or that have another name in the other version."""

WINDOW_OF_UPPER_LAYERS = ("qwen2", "qwen3", "qwen3_moe")


def write() -> dict[str, Any]:
    """Return each case as transformers 5 writes it, and as it reads it back."""
    return {name: write_case(family, values) for name, (family, values) in CASES.items()}


def write_case(family: str, values: dict[str, Any]) -> dict[str, Any]:
    transformers = import_module("transformers")
    files = saved(transformers.CONFIG_MAPPING[family](**values), (CONFIG,))
    with folder_of(files) as folder:
        return {"config": files[CONFIG], "effective_in_5": effective_in_5(load(folder))}


def normalise_cases(cases: dict[str, Any]) -> None:
    """Add the files that this project stages."""
    for case in cases.values():
        case["normalised"] = staged({CONFIG: case["config"]})[CONFIG]


def read(cases: dict[str, Any]) -> None:
    """Add what Bedrock's transformers reads, from the original and from the staged files."""
    for case in cases.values():
        expected = case["effective_in_5"]
        as_written = read_case(case["config"], expected)
        case["misread_in_4_as_written"] = {
            name: value for name, value in as_written.items() if value != expected[name]
        }
        case["effective_in_4"] = read_case(case["normalised"], expected)


def read_case(config: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    with folder_of({CONFIG: config}) as folder:
        values = effective_in_4(load(folder))
        return {name: values.get(name) for name in names}


def load(folder: str) -> Any:  # noqa: ANN401 a class of the version that runs
    return import_module("transformers").AutoConfig.from_pretrained(folder)


def effective_in_5(config: Any) -> dict[str, Any]:  # noqa: ANN401 a class of transformers 5
    text = getattr(config, "text_config", None) or config
    values = plain(config, text)
    rope = dict(getattr(text, "rope_parameters", None) or {})
    values["rope_theta"] = rope.pop("rope_theta", None)
    values["rope_scaling"] = scaling(rope)
    # Without torch, which is not needed here, dtypes are strings.
    values["dtype"] = config.dtype or text.dtype
    if config.model_type == "qwen3_moe":
        values["num_experts"] = text.num_local_experts
    if config.model_type == "t5":
        values["tie_word_embeddings"] = None
        values["scale_decoder_outputs"] = config.scale_decoder_outputs
    if config.model_type in WINDOW_OF_UPPER_LAYERS:
        # In qwen3_moe, the window is the same in all layers.
        whole = ["sliding_attention" if config.sliding_window else "full_attention"]
        types = getattr(config, "layer_types", whole * config.num_hidden_layers)
        values["sliding_layers"] = [n for n, kind in enumerate(types) if kind[0] == "s"]
    return values


def effective_in_4(config: Any) -> dict[str, Any]:  # noqa: ANN401 a class of transformers 4
    section = getattr(config, "text_config", None)
    text = config if section is None or isinstance(section, dict) else section
    values = plain(config, text)
    values["rope_theta"] = getattr(text, "rope_theta", None)
    values["rope_scaling"] = scaling(dict(getattr(text, "rope_scaling", None) or {}))
    values["dtype"] = config.to_dict()["torch_dtype"]
    if config.model_type == "qwen3_moe":
        values["num_experts"] = config.num_experts
    if config.model_type == "t5":
        values["tie_word_embeddings"] = None
        values["scale_decoder_outputs"] = config.tie_word_embeddings
    if config.model_type in WINDOW_OF_UPPER_LAYERS:
        slides = config.use_sliding_window and config.sliding_window
        first = config.max_window_layers if slides else config.num_hidden_layers
        values["sliding_layers"] = list(range(first, config.num_hidden_layers))
    return values


def plain(config: Any, text: Any) -> dict[str, Any]:  # noqa: ANN401 classes of either version
    """Return the values with the same name in both versions; those of vision get a prefix."""
    values = {**text.to_dict()}
    if config.model_type.startswith("qwen2") and config.model_type.endswith("vl"):
        # In both versions the top level decides about tying.
        values["tie_word_embeddings"] = config.tie_word_embeddings
    vision = getattr(config, "vision_config", None)
    if vision is not None:
        found = vision.to_dict().items()
        values |= {f"vision.{name}": value for name, value in found if name not in BOOKKEEPING}
    values["head_dim"] = values.get("head_dim") or text.hidden_size // text.num_attention_heads
    return {name: value for name, value in sorted(values.items()) if name not in BOOKKEEPING}


def scaling(rope: dict[str, Any]) -> dict[str, Any] | None:
    """Return the scaling without the old name of its type, or None if there is no scaling."""
    rope.pop("type", None)
    return None if rope in ({}, {"rope_type": "default"}) else rope


if __name__ == "__main__":
    record("transformers5_configs.json", write=write, normalise=normalise_cases, read=read)
