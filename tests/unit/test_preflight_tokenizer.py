"""What preflight says of a tokenizer."""

from __future__ import annotations

import pytest
from fake_repository import FakeReaders, llama_files, snapshot_of, to_json

from model_import.preflight.verdict import judge


@pytest.fixture(autouse=True)
def tensors_are_not_the_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the model have few tensors; the complete sets have tests of their own."""
    monkeypatch.setattr("model_import.preflight.verdict.check_tensors", lambda *_: [])


def codes(**files: bytes) -> list[str]:
    """Return the findings on a healthy repository in which files were replaced."""
    renamed = {name.replace("_json", ".json"): content for name, content in files.items()}
    changed = {**llama_files(), **renamed}
    verdict = judge(snapshot_of(changed), FakeReaders(changed), "us-east-1")
    return [finding.code for finding in verdict.findings]


TEMPLATE = {"chat_template": "{{ messages }}"}


@pytest.mark.parametrize("content", [b"[]", b"no JSON", b"null"])
def test_a_tokenizer_file_that_is_no_object_is_named(content: bytes) -> None:
    assert codes(tokenizer_json=content) == ["TOKENIZER_INVALID"]
    assert "TOKENIZER_INVALID" in codes(tokenizer_config_json=content)


@pytest.mark.parametrize("name", ["LlamaTokenizerFast", "Qwen2Tokenizer", None])
def test_a_class_on_bedrocks_list_or_none_at_all_is_accepted(name: str | None) -> None:
    assert codes(tokenizer_config_json=to_json({**TEMPLATE, "tokenizer_class": name})) == []


@pytest.mark.parametrize("name", ["GemmaTokenizer", 7, ["LlamaTokenizer"]])
def test_another_class_is_refused(name: object) -> None:
    config = to_json({**TEMPLATE, "tokenizer_class": name})

    assert codes(tokenizer_config_json=config) == ["TOKENIZER_CLASS_UNSUPPORTED"]


@pytest.mark.parametrize(
    ("tokenizer", "found"),
    [
        ({"model": {"vocab": {"a": 0, "b": 7}}}, []),
        ({"model": {"vocab": {"a": 0, "b": 8}}}, ["VOCABULARY_TOO_LARGE"]),
        ({"model": {"vocab": [["a", 0.0]] * 8}}, []),
        ({"model": {"vocab": [["a", 0.0]] * 9}}, ["VOCABULARY_TOO_LARGE"]),
        ({"model": {"vocab": {}}, "added_tokens": [{"id": 7}]}, []),
        ({"model": {"vocab": {}}, "added_tokens": [{"id": 8}]}, ["VOCABULARY_TOO_LARGE"]),
        ({"model": 7, "added_tokens": "none"}, []),
    ],
)
def test_every_token_has_a_row_of_the_embedding(
    tokenizer: dict[str, object], found: list[str]
) -> None:
    assert codes(tokenizer_json=to_json(tokenizer)) == found
