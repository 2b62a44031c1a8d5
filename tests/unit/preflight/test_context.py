"""How much context a configuration states, and what scaling it that Bedrock does not take."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from model_import.bedrock.rules import bedrock_rules
from model_import.preflight.configuration import check_configuration, context_length

YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
LLAMA_3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
PUBLISHED: dict[str, tuple[dict[str, Any], int]] = {
    "Mistral-7B-v0.1": ({"max_position_embeddings": 32768, "sliding_window": 4096}, 32768),
    "Mixtral-8x7B-v0.1": ({"max_position_embeddings": 32768, "sliding_window": None}, 32768),
    "Llama-2-7b": ({"max_position_embeddings": 4096, "rope_scaling": None}, 4096),
    "Llama-3.1-8B": ({"max_position_embeddings": 131072, "rope_scaling": LLAMA_3}, 131072),
    "Llama-3.2-1B": (
        {"max_position_embeddings": 131072, "rope_scaling": {**LLAMA_3, "factor": 32.0}},
        131072,
    ),
    "Llama-3.2-11B-Vision": (
        {"text_config": {"max_position_embeddings": 131072, "rope_scaling": LLAMA_3}},
        131072,
    ),
    "vicuna-7b-v1.5-16k": (
        {"max_position_embeddings": 4096, "rope_scaling": {"factor": 4.0, "type": "linear"}},
        16384,
    ),
    "LLaMA-2-7B-32K": (
        {"max_position_embeddings": 32768, "rope_scaling": {"factor": 8.0, "type": "linear"}},
        32768,
    ),
    "Qwen2.5-7B": ({"max_position_embeddings": 131072, "sliding_window": 131072}, 131072),
    "Qwen2.5-7B-Instruct": ({"max_position_embeddings": 32768}, 32768),
    "Qwen2.5-7B-Instruct with YaRN": (
        {"max_position_embeddings": 32768, "rope_scaling": {**YARN, "type": "yarn"}},
        131072,
    ),
    "Qwen2-VL-7B-Instruct": (
        {
            "max_position_embeddings": 32768,
            "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
        },
        32768,
    ),
    "Qwen2.5-VL-7B-Instruct": ({"max_position_embeddings": 128000}, 128000),
    "Qwen3-8B": ({"max_position_embeddings": 40960, "rope_scaling": None}, 40960),
    "Qwen3-8B with YaRN": ({"max_position_embeddings": 40960, "rope_scaling": YARN}, 131072),
    "gpt-oss-20b": (
        {
            "max_position_embeddings": 131072,
            "rope_scaling": {
                "rope_type": "yarn",
                "factor": 32.0,
                "original_max_position_embeddings": 4096,
            },
        },
        131072,
    ),
    "starcoder": ({"n_positions": 8192}, 8192),
}


def codes(**config: object) -> list[str]:
    whole = {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"], **config}
    return [finding.code for finding in check_configuration(whole, "us-east-1")]


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_context_of_a_published_model_is_read_and_accepted(name: str) -> None:
    config, tokens = PUBLISHED[name]
    assert context_length(config) == tokens
    assert "CONTEXT_TOO_LONG" not in codes(**config)


def test_a_family_without_positions_states_no_context() -> None:
    config = {"model_type": "t5", "architectures": ["T5ForConditionalGeneration"]}
    assert context_length(config) is None
    assert codes(**config) == []


@pytest.mark.parametrize(
    "config",
    [
        {"max_position_embeddings": 262144},
        {"text_config": {"max_position_embeddings": 262144}},
        {"max_position_embeddings": 32768, "rope_scaling": {**YARN, "factor": 8.0}},
        {"max_position_embeddings": 40960, "rope_scaling": {"type": "yarn", "factor": 4}},
    ],
)
def test_a_context_beyond_the_limit_is_refused_whatever_it_comes_from(
    config: dict[str, Any],
) -> None:
    assert "CONTEXT_TOO_LONG" in codes(**config)


@pytest.mark.parametrize(
    ("stated", "scaling", "served"),
    [(32768, YARN, "1"), (40960, YARN, "1.25"), (131072, {**YARN, "factor": 2.0}, "4")],
)
def test_a_yarn_factor_that_transformers_replaces_is_a_warning(
    stated: int, scaling: dict[str, Any], served: str
) -> None:
    config = {
        "model_type": "qwen3",
        "architectures": ["Qwen3ForCausalLM"],
        "max_position_embeddings": stated,
        "rope_scaling": scaling,
    }
    (finding,) = check_configuration(config, "us-east-1")
    assert (finding.code, finding.severity) == ("ROPE_FACTOR_IGNORED", "warning")
    assert f"scales by {served}, whatever" in finding.accepted


@pytest.mark.parametrize(
    "scaling",
    [
        YARN,
        {"type": "yarn", "factor": 4.0},
        {**YARN, "factor": float("nan")},
        {**YARN, "original_max_position_embeddings": 10**400},
        {**YARN, "factor": "4"},
        {**YARN, "factor": True},
        [YARN],
    ],
)
def test_a_yarn_factor_that_is_served_as_stated_or_is_none_is_no_warning(scaling: object) -> None:
    limit = bedrock_rules().context_tokens_at_most
    assert "ROPE_FACTOR_IGNORED" not in codes(max_position_embeddings=limit, rope_scaling=scaling)


def test_what_bedrock_overrides_in_a_nested_text_model_is_told_with_its_place() -> None:
    text = {"max_position_embeddings": 131072, "rope_scaling": {**LLAMA_3, "factor": 32.0}}
    config = {
        "model_type": "mllama",
        "architectures": ["MllamaForConditionalGeneration"],
        "text_config": text,
    }
    (finding,) = check_configuration(config, "us-east-1")
    assert finding.code == "ROPE_OVERRIDDEN"
    assert finding.where == "config.json: text_config.rope_scaling"


NUMBERS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([10**400, 32768, "yarn", "linear", "dynamic", "llama3"])
)


@given(
    st.dictionaries(
        st.sampled_from(["max_position_embeddings", "n_positions", "rope_scaling", "text_config"]),
        NUMBERS
        | st.dictionaries(
            st.sampled_from(["rope_type", "type", "factor", "original_max_position_embeddings"]),
            NUMBERS,
        ),
    )
)
def test_whatever_a_configuration_states_there_is_an_answer(config: dict[str, Any]) -> None:
    assert (context_length(config) or 1) > 0
    assert all(str(finding).encode() for finding in check_configuration(config, "us-east-1"))
