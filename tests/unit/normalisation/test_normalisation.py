"""The small files as they are staged, and that nothing changes without a record and a reason."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from model_import.bedrock.rules import bedrock_rules
from model_import.bedrock.transformers_version import TRANSFORMERS
from model_import.normalisation import Normalised, normalise

_DATA = Path(__file__).parents[1] / "data"
RECORDED: dict[str, dict[str, Any]] = json.loads(
    (_DATA / "transformers5_configs.json").read_text(encoding="utf-8")
)
RECORDED_PROCESSORS: dict[str, dict[str, Any]] = json.loads(
    (_DATA / "transformers5_processors.json").read_text(encoding="utf-8")
)
RECORDED_TOKENIZERS: dict[str, dict[str, Any]] = json.loads(
    (_DATA / "transformers5_tokenizers.json").read_text(encoding="utf-8")
)
INDEX = "model.safetensors.index.json"
LONG_CHARACTERS = 10_000

KEYS_THAT_MATTER = st.sampled_from(
    [
        "add_prefix_space",
        "backend",
        "chat_template",
        "dtype",
        "eos_token_id",
        "extra_special_tokens",
        "image_processor",
        "image_processor_type",
        "metadata",
        "num_local_experts",
        "rope_parameters",
        "scale_decoder_outputs",
        "size",
        "text_config",
        "tie_word_embeddings",
        "tokenizer_class",
        "vision_config",
    ]
)
# A few characters: the tables of all of Unicode take a second to build.
TEXTS = st.text(alphabet="a金\ud800{", max_size=4)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS_THAT_MATTER | TEXTS, inner, max_size=3)
    ),
    max_leaves=8,
)
FAMILIES = st.sampled_from([row.model_type for row in bedrock_rules().architectures])
FILES = st.sampled_from(
    [
        "chat_template.jinja",
        "chat_template.json",
        "config.json",
        "generation_config.json",
        "merges.txt",
        INDEX,
        "preprocessor_config.json",
        "processor_config.json",
        "tokenizer_config.json",
    ]
)


def to_json(value: object) -> bytes:
    return json.dumps(value).encode()


def normalised(**files: object) -> Normalised:
    """Normalise files given by stem, JSON objects or bytes as they are."""
    return normalise(
        {
            f"{stem}.json": content if isinstance(content, bytes) else to_json(content)
            for stem, content in files.items()
        }
    )


def content_of(result: Normalised, file: str) -> dict[str, Any]:
    content = json.loads(result.files[file])
    assert isinstance(content, dict)
    return content


def changed_fields(result: Normalised) -> list[tuple[str, str | None]]:
    return [(change.file, change.field) for change in result.changes]


def test_every_family_that_both_versions_know_is_recorded() -> None:
    recorded = {case["config"]["model_type"] for case in RECORDED.values()}
    # Bedrock's transformers has no gpt_oss.
    assert recorded == {row.model_type for row in bedrock_rules().architectures} - {"gpt_oss"}


@pytest.mark.parametrize("name", RECORDED)
def test_a_configuration_of_transformers_5_is_staged_as_recorded(name: str) -> None:
    assert (
        content_of(normalised(config=RECORDED[name]["config"]), "config.json")
        == RECORDED[name]["normalised"]
    )


@pytest.mark.parametrize("name", RECORDED)
def test_what_is_staged_means_in_transformers_4_what_the_original_means_in_5(name: str) -> None:
    assert RECORDED[name]["effective_in_4"] == RECORDED[name]["effective_in_5"]


def test_what_transformers_4_would_misread_in_the_originals_is_what_this_is_for() -> None:
    misread = {name: set(case["misread_in_4_as_written"]) for name, case in RECORDED.items()}
    assert misread["llama, llama3 scaling"] == {"dtype", "rope_theta", "rope_scaling"}
    assert misread["t5, the gated one of Flan"] == {"dtype", "scale_decoder_outputs"}
    assert misread["qwen3_moe, sixteen experts"] == {"dtype", "rope_theta", "num_experts"}
    assert {"hidden_size", "num_hidden_layers", "vocab_size"} < misread["qwen2_5_vl"]


@pytest.mark.parametrize("name", RECORDED)
def test_what_is_staged_needs_no_second_normalisation(name: str) -> None:
    staged = to_json(RECORDED[name]["normalised"])
    assert normalised(config=staged) == Normalised({"config.json": staged}, ())


def test_a_change_says_what_was_there_what_is_there_and_why() -> None:
    rope = {"rope_type": "default", "rope_theta": 5e5}
    result = normalised(config={"model_type": "llama", "rope_parameters": rope})
    (change,) = result.changes
    assert (change.file, change.field) == ("config.json", "rope_parameters")
    assert change.before == rope
    assert change.after == {"rope_theta": 5e5, "rope_scaling": None}
    assert TRANSFORMERS in change.why
    assert json.loads(json.dumps(asdict(change))) == asdict(change)


def test_keys_keep_their_places_and_text_its_characters() -> None:
    config = {"model_type": "llama", "dtype": "bfloat16", "label": "金管"}
    result = normalised(config=config)
    assert result.files["config.json"].decode() == (
        '{\n  "model_type": "llama",\n  "torch_dtype": "bfloat16",\n  "label": "金管"\n}\n'
    )


def test_a_configuration_of_transformers_4_stays_byte_for_byte() -> None:
    content = (
        b'{"model_type":"llama",  "rope_theta": 5e5, "rope_scaling":null,"torch_dtype":"float16"}'
    )
    assert normalised(config=content) == Normalised({"config.json": content}, ())


def test_values_that_transformers_4_reads_win_over_those_that_it_does_not() -> None:
    config = {
        "model_type": "llama",
        "rope_theta": 1e4,
        "rope_scaling": None,
        "rope_parameters": {"rope_type": "default", "rope_theta": 5e5},
        "torch_dtype": "bfloat16",
        "dtype": "float16",
    }
    assert normalised(config=config).changes == ()


def test_rope_parameters_for_each_type_of_layer_are_left() -> None:
    rope = {"full_attention": {"rope_type": "default", "rope_theta": 1e6}}
    assert normalised(config={"model_type": "qwen3", "rope_parameters": rope}).changes == ()


def test_nested_sections_are_named_in_the_record() -> None:
    config = {"model_type": "mllama", "text_config": {"dtype": "bfloat16"}}
    assert changed_fields(normalised(config=config)) == [("config.json", "text_config.dtype")]


@pytest.mark.parametrize("root_ties", [True, False])
@pytest.mark.parametrize("text_ties", [True, False])
def test_a_flattened_model_is_tied_when_either_place_ties_it(
    *, root_ties: bool, text_ties: bool
) -> None:
    config = {
        "model_type": "qwen2_vl",
        "text_config": {"tie_word_embeddings": text_ties},
        "tie_word_embeddings": root_ties,
    }
    staged = content_of(normalised(config=config), "config.json")
    assert staged["tie_word_embeddings"] is (root_ties or text_ties)
    assert "text_config" not in staged


@pytest.mark.parametrize("name", ["TokenizersBackend", "SentencePieceBackend", "PythonBackend"])
def test_a_tokenizer_class_of_transformers_5_becomes_one_that_bedrock_knows(name: str) -> None:
    result = normalised(tokenizer_config={"tokenizer_class": name})
    staged = content_of(result, "tokenizer_config.json")
    assert staged == {"tokenizer_class": "PreTrainedTokenizerFast"}
    assert changed_fields(result) == [("tokenizer_config.json", "tokenizer_class")]


def test_a_tokenizer_class_that_bedrock_knows_stays() -> None:
    assert normalised(tokenizer_config={"tokenizer_class": "LlamaTokenizerFast"}).changes == ()


@pytest.mark.parametrize("name", RECORDED_TOKENIZERS)
def test_a_text_is_framed_in_transformers_4_as_it_is_in_5(name: str) -> None:
    case = RECORDED_TOKENIZERS[name]
    result = normalise({file: to_json(content) for file, content in case["files"].items()})
    assert content_of(result, "tokenizer_config.json") == case["staged"]
    assert case["ids_in_4"] == case["ids_in_5"]


def test_what_transformers_4_would_frame_otherwise_is_what_this_is_for() -> None:
    otherwise = [
        name
        for name, case in RECORDED_TOKENIZERS.items()
        if case["ids_in_4_as_written"] != case["ids_in_5"]
    ]
    assert otherwise == [
        "LlamaTokenizer, nothing around it",
        "LlamaTokenizer, a beginning and an end",
        "CodeLlamaTokenizer, nothing around it",
        "CodeLlamaTokenizer, a beginning",
        "CodeLlamaTokenizer, a beginning and an end",
        "GPTNeoXTokenizer, a beginning",
        "GPTNeoXTokenizer, a beginning and an end",
    ]


@pytest.mark.parametrize(
    ("config", "added"),
    [
        ({}, {"add_bos_token": False}),
        ({"add_bos_token": True}, {}),
        ({"tokenizer_class": "LlamaTokenizerFast"}, {"add_bos_token": False}),
        ({"tokenizer_class": "Qwen2Tokenizer"}, {}),
    ],
)
@pytest.mark.parametrize("processor", [None, 7, {"single": []}, {"processors": [7, {}]}])
def test_what_frames_a_text_is_stated_where_nothing_states_it(
    config: dict[str, Any], added: dict[str, Any], processor: object
) -> None:
    written = {"backend": "tokenizers", "tokenizer_class": "LlamaTokenizer", **config}
    result = normalised(tokenizer_config=written, tokenizer={"post_processor": processor})
    assert content_of(result, "tokenizer_config.json") == written | added


def test_what_frames_a_text_is_found_behind_other_steps() -> None:
    frame = [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}]
    steps = {"processors": [{"type": "ByteLevel"}, {"type": "TemplateProcessing", "single": frame}]}
    written = {"backend": "tokenizers", "tokenizer_class": "LlamaTokenizer"}
    assert normalised(tokenizer_config=written, tokenizer={"post_processor": steps}).changes == ()


@pytest.mark.parametrize(
    ("sentencepiece", "staged"), [({}, None), ({"tokenizer.model": b""}, True)]
)
def test_a_prefix_that_only_a_sentencepiece_file_can_give_is_left_to_the_tokenizer(
    sentencepiece: dict[str, bytes], staged: object
) -> None:
    config = {
        "backend": "tokenizers",
        "tokenizer_class": "LlamaTokenizer",
        "add_prefix_space": True,
    }
    result = normalise({"tokenizer_config.json": to_json(config), **sentencepiece})
    assert content_of(result, "tokenizer_config.json")["add_prefix_space"] is staged


def test_a_tokenizer_that_transformers_4_wrote_keeps_its_defaults() -> None:
    files = {"tokenizer_config": {"tokenizer_class": "LlamaTokenizer"}, "tokenizer": {}}
    assert normalised(**files).changes == ()


def test_a_list_of_extra_tokens_gets_the_name_that_transformers_4_has_for_it() -> None:
    result = normalised(tokenizer_config={"extra_special_tokens": ["<|a|>"], "pad_token": "b"})
    assert content_of(result, "tokenizer_config.json") == {
        "additional_special_tokens": ["<|a|>"],
        "pad_token": "b",
    }


def test_an_empty_list_of_extra_tokens_goes() -> None:
    result = normalised(tokenizer_config={"extra_special_tokens": []})
    assert content_of(result, "tokenizer_config.json") == {}


def test_extra_tokens_with_names_stay() -> None:
    tokens = {"extra_special_tokens": {"image_token": "<|image|>"}}
    assert normalised(tokenizer_config=tokens).changes == ()


def test_a_separate_template_is_embedded_and_goes_before_the_embedded_one() -> None:
    result = normalise(
        {
            "chat_template.jinja": "{{ messages }} 金".encode(),
            "chat_template.json": to_json({"chat_template": "json"}),
            "tokenizer_config.json": to_json({"chat_template": "embedded"}),
        }
    )
    assert content_of(result, "tokenizer_config.json") == {"chat_template": "{{ messages }} 金"}
    assert list(result.files) == ["tokenizer_config.json"]
    assert changed_fields(result) == [
        ("tokenizer_config.json", "chat_template"),
        ("chat_template.jinja", None),
        ("chat_template.json", None),
    ]


def test_a_template_in_json_is_embedded() -> None:
    result = normalised(chat_template={"chat_template": "of json"}, tokenizer_config={})
    assert content_of(result, "tokenizer_config.json") == {"chat_template": "of json"}
    assert list(result.files) == ["tokenizer_config.json"]


def test_a_separate_template_that_is_embedded_already_only_goes() -> None:
    embedded = to_json({"chat_template": "same"})
    result = normalise({"chat_template.jinja": b"same", "tokenizer_config.json": embedded})
    assert result.files == {"tokenizer_config.json": embedded}
    assert changed_fields(result) == [("chat_template.jinja", None)]


@pytest.mark.parametrize("tokenizer_config", [None, b"{", b"[]"])
def test_a_separate_template_stays_where_there_is_nothing_to_embed_it_in(
    tokenizer_config: bytes | None,
) -> None:
    files = {"chat_template.jinja": b"only here"}
    if tokenizer_config is not None:
        files["tokenizer_config.json"] = tokenizer_config
    assert normalise(files) == Normalised(files, ())


@pytest.mark.parametrize("content", [b"{", b'{"chat_template": 7}', b"{}"])
def test_a_separate_template_that_cannot_be_read_stays(content: bytes) -> None:
    assert normalised(chat_template=content, tokenizer_config={}).changes == ()


def test_a_jinja_file_that_is_no_text_stays() -> None:
    files = {"chat_template.jinja": b"\xff\xfe", "tokenizer_config.json": b"{}"}
    assert normalise(files) == Normalised(files, ())


def test_of_several_named_templates_the_default_one_is_kept() -> None:
    templates = [
        {"name": "tool_use", "template": "tools"},
        {"name": "default", "template": "chat"},
    ]
    result = normalised(tokenizer_config={"chat_template": templates})
    assert content_of(result, "tokenizer_config.json") == {"chat_template": "chat"}
    (change,) = result.changes
    assert change.before == templates


def test_named_templates_in_an_object_become_the_default_one() -> None:
    templates = {"default": "chat", "tool_use": "tools"}
    result = normalised(chat_template={"chat_template": templates}, tokenizer_config={})
    assert content_of(result, "tokenizer_config.json") == {"chat_template": "chat"}


def test_several_templates_without_a_default_one_stay() -> None:
    templates = [{"name": "rag", "template": "a"}, {"name": "tool_use", "template": "b"}]
    assert normalised(tokenizer_config={"chat_template": templates}).changes == ()


@pytest.mark.parametrize(
    ("found", "staged"),
    [
        ({"metadata": {"total_size": 8, "total_parameters": 4}}, {"total_size": 8}),
        ({"metadata": {"format": "pt"}}, {}),
        ({"metadata": None}, {}),
        ({}, {}),
    ],
)
def test_the_index_keeps_of_its_metadata_the_total_size(
    found: dict[str, Any], staged: dict[str, Any]
) -> None:
    result = normalise({INDEX: to_json({**found, "weight_map": {"a": "b"}})})
    assert content_of(result, INDEX) == {"metadata": staged, "weight_map": {"a": "b"}}
    assert changed_fields(result) == [(INDEX, "metadata")]


@pytest.mark.parametrize("metadata", [{}, {"total_size": 8}])
def test_an_index_that_bedrock_takes_stays(metadata: dict[str, Any]) -> None:
    content = to_json({"metadata": metadata, "weight_map": {}})
    assert normalise({INDEX: content}) == Normalised({INDEX: content}, ())


@pytest.mark.parametrize(
    "found", [{"eos_token_id": [200002, 199999]}, {"eos_token_id": 200002}, {}]
)
def test_gpt_oss_ends_at_all_three_of_its_ids(found: dict[str, Any]) -> None:
    result = normalised(config={"model_type": "gpt_oss"}, generation_config=found)
    staged = content_of(result, "generation_config.json")
    assert staged == {"eos_token_id": [200002, 199999, 200012]}


def test_a_gpt_oss_ends_where_its_publisher_says_as_well() -> None:
    ends = {"eos_token_id": [7, 200002]}
    result = normalised(config={"model_type": "gpt_oss"}, generation_config=ends)
    staged = content_of(result, "generation_config.json")
    assert staged == {"eos_token_id": [200002, 199999, 200012, 7]}


def test_a_gpt_oss_without_a_generation_configuration_gets_one() -> None:
    result = normalised(config={"model_type": "gpt_oss", "eos_token_id": 200002})
    staged = content_of(result, "generation_config.json")
    assert staged == {"eos_token_id": [200002, 199999, 200012]}
    (change,) = result.changes
    assert (change.file, change.field, change.before) == ("generation_config.json", None, None)


def test_a_gpt_oss_that_ends_at_all_three_in_another_order_stays() -> None:
    ends = {"eos_token_id": [199999, 200002, 200012, 7]}
    assert normalised(config={"model_type": "gpt_oss"}, generation_config=ends).changes == ()


def test_the_ends_of_other_families_stay() -> None:
    ends = {"eos_token_id": 2}
    assert normalised(config={"model_type": "llama"}, generation_config=ends).changes == ()


IMAGES = {
    "image_processor_type": "Qwen2VLImageProcessor",
    "size": {"shortest_edge": 12544, "longest_edge": 200704},
}
PIXELS = {"min_pixels": 12544, "max_pixels": 200704}


@pytest.mark.parametrize("name", RECORDED_PROCESSORS)
def test_the_settings_of_images_of_transformers_5_are_staged_as_recorded(name: str) -> None:
    case = RECORDED_PROCESSORS[name]
    result = normalise({file: to_json(content) for file, content in case["files"].items()})
    assert {file: json.loads(content) for file, content in result.files.items()} == case["staged"]


@pytest.mark.parametrize("name", RECORDED_PROCESSORS)
def test_images_are_cut_in_transformers_4_as_they_are_in_5(name: str) -> None:
    case = RECORDED_PROCESSORS[name]
    assert case["effective_in_4"] == case["effective_in_5"]
    assert case["in_4_as_written"] != case["effective_in_5"]


def test_settings_of_images_in_both_files_stay_in_the_one_that_transformers_4_reads() -> None:
    own = IMAGES | PIXELS
    result = normalised(
        preprocessor_config=own,
        processor_config={"processor_class": "Qwen2VLProcessor", "image_processor": {"size": {}}},
    )
    assert content_of(result, "preprocessor_config.json") == own
    assert content_of(result, "processor_config.json") == {"processor_class": "Qwen2VLProcessor"}


def test_pixels_that_are_named_for_transformers_4_stay() -> None:
    assert normalised(preprocessor_config=IMAGES | {"min_pixels": 1, "max_pixels": 2}).changes == ()


def test_the_size_of_another_class_of_images_stays() -> None:
    images = {"image_processor_type": "MllamaImageProcessor", "size": {"shortest_edge": 1}}
    assert normalised(preprocessor_config=images).changes == ()


def test_what_matters_is_told_from_what_bedrock_may_read_as_it_is() -> None:
    result = normalise(
        {
            "config.json": to_json({"model_type": "llama", "rope_parameters": {}, "dtype": "a"}),
            "chat_template.jinja": b"{{ messages }}",
            "tokenizer_config.json": to_json({"tokenizer_class": "TokenizersBackend"}),
            INDEX: to_json({"metadata": {"format": "pt"}, "weight_map": {}}),
        }
    )
    assert [(change.file, change.field) for change in result.changes if change.matters] == [
        ("config.json", "rope_parameters"),
        ("tokenizer_config.json", "tokenizer_class"),
    ]
    of_gpt_oss = {"config.json": to_json({"model_type": "gpt_oss"}), INDEX: b'{"metadata": 1}'}
    assert all(change.matters for change in normalise(of_gpt_oss).changes)


def test_a_long_value_is_cut_in_the_record_and_whole_in_the_copy() -> None:
    template = "x" * LONG_CHARACTERS
    result = normalise({"chat_template.jinja": template.encode(), "tokenizer_config.json": b"{}"})
    assert content_of(result, "tokenizer_config.json") == {"chat_template": template}
    assert {change.after for change in result.changes} == {f"{'x' * 500} …", None}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"null",
        b'{"dtype": "a", "n": ' + b"9" * 5000 + b"}",
        b'{"dtype":' * 100_000,
        b'{"dtype": "a", "deep": ' + b"[" * 16 + b"]" * 16 + b"}",
    ],
    ids=["empty", "cut", "binary", "list", "null", "huge number", "endless", "deep"],
)
def test_what_is_no_json_object_of_few_levels_stays(content: bytes) -> None:
    files = {"config.json": content, "tokenizer_config.json": content, INDEX: content}
    assert normalise(files) == Normalised(files, ())


def test_half_a_surrogate_pair_can_be_staged_and_recorded() -> None:
    result = normalised(config=b'{"dtype": "\\ud800"}')
    assert content_of(result, "config.json") == {"torch_dtype": "\ud800"}
    assert json.dumps([asdict(change) for change in result.changes], ensure_ascii=False).encode()


@settings(deadline=None)
@given(
    st.dictionaries(
        FILES,
        st.binary(max_size=20)
        | st.dictionaries(KEYS_THAT_MATTER, JSON_VALUES, max_size=6).map(to_json)
        | st.tuples(FAMILIES, st.dictionaries(KEYS_THAT_MATTER, JSON_VALUES, max_size=6)).map(
            lambda pair: to_json({"model_type": pair[0], **pair[1]})
        ),
    )
)
def test_whatever_the_files_hold_each_difference_has_a_record_and_a_second_time_changes_nothing(
    files: dict[str, bytes],
) -> None:
    once = normalise(files)
    differing = {file for file in files | once.files if once.files.get(file) != files.get(file)}
    assert {change.file for change in once.changes} == differing
    json.dumps([asdict(change) for change in once.changes], ensure_ascii=False).encode()
    assert normalise(once.files) == Normalised(once.files, ())
