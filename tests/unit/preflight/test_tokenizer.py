"""What preflight says of a tokenizer's files, its class, its vocabulary and its special tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings, strategies as st
from support.fakes.fake_repository import (
    TOKENIZER,
    TOKENIZER_CONFIG,
    FakeReaders,
    llama_files,
    snapshot_of,
    to_json,
)

from model_import.preflight.judge import judge
from model_import.preflight.vocabulary import read_vocabulary

if TYPE_CHECKING:
    from model_import.findings.finding import Finding


def findings(**files: bytes) -> tuple[Finding, ...]:
    """Return the findings on a healthy repository in which files were replaced."""
    renamed = {name.replace("_json", ".json"): content for name, content in files.items()}
    changed = {**llama_files(), **renamed}
    return judge(snapshot_of(changed), FakeReaders(changed), "us-east-1").findings


def codes(**files: bytes) -> list[str]:
    return [finding.code for finding in findings(**files)]


def configured(**values: object) -> bytes:
    return to_json(TOKENIZER_CONFIG | values)


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"no JSON",
        b"null",
        b"{}",
        b'{"model": {"type": "BPE"}}',
        b'{"model": [], "added_tokens": []}',
        b'{"model": {"vocab": {"a": 1' + b"0" * 5000 + b"}}}",
        b'{"model":' * 100_000,
    ],
    ids=["list", "text", "null", "empty", "no vocab", "no model", "huge number", "endless"],
)
def test_a_tokenizer_that_has_no_vocabulary_is_refused(content: bytes) -> None:
    assert codes(tokenizer_json=content) == ["TOKENIZER_INVALID"]


@pytest.mark.parametrize("content", [b"[]", b"no JSON", b"null"])
def test_a_tokenizer_configuration_that_is_no_object_is_refused(content: bytes) -> None:
    assert "TOKENIZER_INVALID" in codes(tokenizer_config_json=content)


@pytest.mark.parametrize("name", ["LlamaTokenizerFast", "Qwen2Tokenizer", None])
def test_a_class_on_bedrocks_list_or_none_at_all_is_accepted(name: str | None) -> None:
    assert codes(tokenizer_config_json=configured(tokenizer_class=name)) == []


@pytest.mark.parametrize("name", ["GemmaTokenizer", 7, ["LlamaTokenizer"]])
def test_another_class_is_refused(name: object) -> None:
    config = configured(tokenizer_class=name)
    assert codes(tokenizer_config_json=config) == ["TOKENIZER_CLASS_UNSUPPORTED"]


@pytest.mark.parametrize(
    ("tokenizer", "found"),
    [
        ({"model": {"vocab": {"a": 0, "b": 7}}}, False),
        ({"model": {"vocab": {"a": 0, "b": 8}}}, True),
        ({"model": {"vocab": [["a", 0.0]] * 7 + [["b", 0.0]]}}, False),
        ({"model": {"vocab": [["a", 0.0]] * 8 + [["b", 0.0]]}}, True),
        ({"model": {"vocab": {}}, "added_tokens": [{"id": 7, "content": "a"}]}, False),
        ({"model": {"vocab": {}}, "added_tokens": [{"id": 8, "content": "a"}]}, True),
    ],
)
def test_every_token_has_a_row_of_the_embedding(
    tokenizer: dict[str, object], *, found: bool
) -> None:
    plain = to_json({"chat_template": "{{ messages }}"})
    told = codes(tokenizer_json=to_json(tokenizer), tokenizer_config_json=plain)
    assert ("VOCABULARY_TOO_LARGE" in told) is found


def test_a_special_token_that_the_vocabulary_lacks_is_a_warning_that_says_what_becomes_of_it() -> (
    None
):
    (finding,) = findings(tokenizer_config_json=configured(pad_token={"content": "[PAD]"}))
    assert (finding.code, finding.severity) == ("SPECIAL_TOKEN_UNKNOWN", "warning")
    assert "[PAD] is not in tokenizer.json, so transformers adds it with the id 4" in finding.found
    assert "rows" not in finding.found


def test_a_special_token_for_which_there_is_no_row_is_said_to_have_none() -> None:
    words = TOKENIZER | {"model": {"vocab": {"<unk>": 0, "<s>": 1, "</s>": 2, "a": 7}}}
    (finding,) = findings(
        tokenizer_json=to_json(words), tokenizer_config_json=configured(pad_token="[PAD]")
    )
    assert "with the id 8, but the embedding has 8 rows" in finding.found


def test_an_older_map_of_special_tokens_is_read_as_well() -> None:
    older = to_json({"pad_token": "[PAD]", "eos_token": "</s>"})
    files = {**llama_files(), "special_tokens_map.json": older}
    verdict = judge(snapshot_of(files), FakeReaders(files), "us-east-1")
    assert [finding.code for finding in verdict.findings] == ["SPECIAL_TOKEN_UNKNOWN"]


@pytest.mark.parametrize(
    ("decoder", "told"),
    [
        ({"2": {"content": "</s>"}}, []),
        ({"3": {"content": "</s>"}}, ["TOKENIZER_FILES_DISAGREE"]),
        ({"3": {"content": "<|im_end|>"}}, ["TOKENIZER_FILES_DISAGREE"]),
        ({"2": "</s>", "x": {"content": 7}}, []),
        ([], []),
    ],
)
def test_a_token_with_another_id_in_the_other_file_is_named(
    decoder: object, told: list[str]
) -> None:
    found = findings(tokenizer_config_json=configured(added_tokens_decoder=decoder))
    assert [finding.code for finding in found] == told
    assert all("(3 and " in finding.found for finding in found)


ODD_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats()
    | st.text("<s/>\ud800", max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["content", "id", "vocab", "name", "template"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


def odd(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(names), ODD_VALUES, max_size=len(names))


@settings(deadline=None, max_examples=60)
@given(
    config=odd(
        "added_tokens_decoder",
        "bos_token",
        "eos_token",
        "pad_token",
        "tokenizer_class",
    ),
    tokenizer=odd("model", "added_tokens"),
    ids=odd("bos_token_id", "eos_token_id", "pad_token_id"),
)
def test_whatever_a_tokenizers_files_hold_there_is_a_verdict(
    config: dict[str, Any], tokenizer: dict[str, Any], ids: dict[str, Any]
) -> None:
    files = llama_files() | {
        "config.json": to_json({"model_type": "llama", **ids, "text_config": ids}),
        "generation_config.json": to_json(ids),
        "special_tokens_map.json": to_json(config),
        "tokenizer_config.json": to_json(config),
        "tokenizer.json": to_json(tokenizer),
    }
    for finding in judge(snapshot_of(files), FakeReaders(files), "us-east-1").findings:
        assert str(finding).encode()


def test_a_vocabulary_holds_what_is_a_token_and_passes_over_the_rest() -> None:
    vocabulary = read_vocabulary(
        {
            "model": {"vocab": {"a": 0, "b": True, "c": 1.0, "d": None}},
            "added_tokens": [{"id": 5, "content": "<x>"}, {"id": "6", "content": "<y>"}, 7],
        }
    )
    assert vocabulary.ids == {"a": 0, "<x>": 5}
    assert vocabulary.added == {"<x>"}
    assert vocabulary.size == 6
