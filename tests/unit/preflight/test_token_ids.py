"""Ids that no token has, ids at which an answer does not end, and what publishers may differ in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from model_import.bedrock.rules import bedrock_rules
from model_import.preflight.token_ids import check_token_ids, end_ids, places_of_ids
from model_import.preflight.tokenizer import Tokenizer
from model_import.preflight.vocabulary import Vocabulary

if TYPE_CHECKING:
    from model_import.findings.finding import Finding

LLAMA_3 = {
    "<|begin_of_text|>": 128000,
    "<|end_of_text|>": 128001,
    "<|finetune_right_pad_id|>": 128004,
    "<|eot_id|>": 128009,
}
QWEN = {"<|endoftext|>": 151643, "<|im_start|>": 151644, "<|im_end|>": 151645}
LLAMA_2 = {"<unk>": 0, "<s>": 1, "</s>": 2}
STARCODER = {"<|endoftext|>": 0}


def found(
    model_type: str,
    rows: int,
    config: dict[str, Any],
    generation: dict[str, Any] | None,
    vocabulary: dict[str, int],
    **special_tokens: str,
) -> list[Finding]:
    row = bedrock_rules().architecture(model_type)
    tokenizer = Tokenizer({}, Vocabulary(vocabulary, frozenset(vocabulary)), special_tokens)
    return list(check_token_ids(places_of_ids(config, generation), tokenizer, rows, row))


PUBLISHED: dict[str, tuple[Any, ...]] = {
    "Llama 3 Instruct": (
        *("llama", 128256, {"bos_token_id": 128000, "eos_token_id": 128009}),
        *({"bos_token_id": 128000, "eos_token_id": [128001, 128009]}, LLAMA_3),
        {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    ),
    "Llama 3.1 Instruct": (
        *("llama", 128256, {"bos_token_id": 128000, "eos_token_id": [128001, 128008, 128009]}),
        *({"bos_token_id": 128000, "eos_token_id": [128001, 128008, 128009]}, LLAMA_3),
        {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    ),
    "Llama 3.2 Vision": (
        "mllama",
        128264,
        {"text_config": {"bos_token_id": 128000, "eos_token_id": 128001, "pad_token_id": 128004}},
        {"eos_token_id": [128001, 128008, 128009], "pad_token_id": 128004},
        LLAMA_3,
        {"eos_token": "<|eot_id|>", "pad_token": "<|finetune_right_pad_id|>"},
    ),
    "Qwen2.5 Instruct": (
        *("qwen2", 152064, {"bos_token_id": 151643, "eos_token_id": 151645}),
        {"bos_token_id": 151643, "pad_token_id": 151643, "eos_token_id": [151645, 151643]},
        QWEN,
        {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    ),
    "Qwen2.5": (
        *("qwen2", 151936, {"bos_token_id": 151643, "eos_token_id": 151643}),
        {"bos_token_id": 151643, "eos_token_id": 151643},
        QWEN,
        {"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"},
    ),
    "Mistral 7B": (
        *("mistral", 32000, {"bos_token_id": 1, "eos_token_id": 2}, None, LLAMA_2),
        {"bos_token": "<s>", "eos_token": "</s>"},
    ),
    "the first Llama in Hugging Face's form": (
        *("llama", 32000, {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}),
        *({"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}, LLAMA_2),
        {"bos_token": "<s>", "eos_token": "</s>"},
    ),
    "Flan-T5": (
        "t5",
        32128,
        {"decoder_start_token_id": 0, "eos_token_id": 1, "pad_token_id": 0},
        {"decoder_start_token_id": 0, "eos_token_id": 1, "pad_token_id": 0},
        {"<pad>": 0, "</s>": 1, "<unk>": 2},
        {"eos_token": "</s>", "pad_token": "<pad>"},
    ),
    "StarCoder": (
        *("gpt_bigcode", 49152, {"bos_token_id": 0, "eos_token_id": 0}),
        *({"bos_token_id": 0, "eos_token_id": 0}, STARCODER),
        {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"},
    ),
    "GPT-OSS": (
        *("gpt_oss", 201088, {"eos_token_id": 200002, "pad_token_id": 199999}),
        {"bos_token_id": 199998, "eos_token_id": [200002, 199999, 200012], "pad_token_id": 199999},
        {"<|startoftext|>": 199998, "<|endoftext|>": 199999, "<|return|>": 200002},
        {
            "bos_token": "<|startoftext|>",
            "eos_token": "<|return|>",
            "pad_token": "<|endoftext|>",
        },
    ),
    "one that leaves all to its class": (
        *("llama", 32000, {}, None, LLAMA_2, {"bos_token": "<s>", "eos_token": "</s>"}),
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_published_models_state_is_no_finding(name: str) -> None:
    *arguments, special_tokens = PUBLISHED[name]
    assert found(*arguments, **special_tokens) == []


@pytest.mark.parametrize("value", [32000, [2, 32000], -2, "2", 2.0, True, [[2]], {"a": 2}])
@pytest.mark.parametrize("field", ["bos_token_id", "eos_token_id", "pad_token_id"])
def test_an_id_that_no_token_can_have_is_refused_and_named(field: str, value: object) -> None:
    for config, generation in (({field: value}, {}), ({}, {field: value})):
        (finding,) = found("llama", 32000, config, generation, {})
        assert (finding.code, finding.severity) == ("TOKEN_ID_INVALID", "error")
        assert finding.where.endswith(f".json: {field}")
        assert str(value) in finding.found


@pytest.mark.parametrize(
    ("model_type", "config"),
    [
        ("gpt_bigcode", {"bos_token_id": 50256, "eos_token_id": 50256}),
        ("llama", {"pad_token_id": -1}),
    ],
)
def test_an_id_that_is_written_where_nobody_gave_one_is_only_a_warning(
    model_type: str, config: dict[str, int]
) -> None:
    told = found(model_type, 49152, config, None, {})
    assert {(finding.code, finding.severity) for finding in told} == {
        ("TOKEN_ID_UNUSED", "warning")
    }
    assert len(told) == len(config)


@pytest.mark.parametrize(
    ("config", "generation", "stops"),
    [
        ({"eos_token_id": 128001}, None, "at 128001"),
        ({"eos_token_id": 128009}, {"eos_token_id": 128001}, "at 128001"),
        ({"eos_token_id": [128001, 128008]}, {}, "at 128001, 128008"),
        ({"eos_token_id": None}, None, "at no token"),
        ({}, None, "at 2"),
    ],
)
def test_a_tokenizer_that_ends_where_generation_does_not_stop_is_a_warning(
    config: dict[str, Any], generation: dict[str, Any] | None, stops: str
) -> None:
    (finding,) = found("llama", 128256, config, generation, LLAMA_3, eos_token="<|eot_id|>")
    assert (finding.code, finding.severity) == ("ANSWER_NOT_ENDED", "warning")
    assert finding.found.endswith(f"with <|eot_id|> (128009), but generation stops {stops}")


def test_another_beginning_than_the_tokenizers_is_a_warning() -> None:
    (finding,) = found("llama", 32000, {"bos_token_id": 0}, None, LLAMA_2, bos_token="<s>")
    assert (finding.code, finding.severity) == ("TOKEN_IDS_DISAGREE", "warning")
    assert "The value is 0, but the tokenizer has <s> (1)" in finding.found


def test_generation_stops_where_generation_config_says_before_config() -> None:
    row = bedrock_rules().architecture("llama")
    assert end_ids(places_of_ids({"eos_token_id": 1}, {"eos_token_id": [3, 4]}), row) == (3, 4)
    assert end_ids(places_of_ids({"eos_token_id": 1}, {"bos_token_id": 3}), row) == (1,)
    assert end_ids(places_of_ids({"text_config": {"eos_token_id": 1}}, None), row) == (1,)
    assert end_ids(places_of_ids({}, []), row) == (2,)


def test_where_generation_stops_is_not_known_of_an_unknown_family() -> None:
    assert end_ids(places_of_ids({}, None), None) is None
    assert end_ids(places_of_ids(None, None), bedrock_rules().architecture("llama")) is None
