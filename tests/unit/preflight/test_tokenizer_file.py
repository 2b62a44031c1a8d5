"""tokenizer.json is read up to its merges, wherever that leaves nothing out that counts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from support.fakes.fake_repository import FakeReaders

from model_import.preflight.tokenizer_file import read_without_merges

VOCABULARY = {"a": 0, ', "merges": [\'b': 1, 'や"': 2}
ADDED = [{"id": 3, "content": ', "merges": [ }}'}]
PADDING = " " * 9_000_000
"""More than is read before the merges must have begun."""


def read(content: bytes) -> tuple[bytes, int]:
    """Return what is read of a tokenizer.json, and how many bytes that took."""
    readers = FakeReaders({"tokenizer.json": content})
    head = read_without_merges(readers.open("tokenizer.json"), len(content))
    return head, sum(length for _, _, length in readers.reads)


def tokenizer(model: dict[str, Any], padding: str = PADDING) -> bytes:
    """Return a file in which an empty list of merges is long."""
    text = json.dumps({"added_tokens": ADDED, "model": model}, ensure_ascii=False)
    return text.replace('"merges": []', f'"merges": [{padding}]').encode()


def test_the_merges_of_a_large_file_are_not_read() -> None:
    model = {"type": "BPE", "vocab": VOCABULARY}

    head, read_bytes = read(tokenizer({**model, "merges": []}))

    assert json.loads(head) == {"added_tokens": ADDED, "model": model}
    assert read_bytes == 2 * 1024 * 1024 + 16


def test_a_small_file_is_read_as_it_is() -> None:
    content = tokenizer({"vocab": VOCABULARY, "merges": []}, padding="")

    assert read(content) == (content, len(content))


@pytest.mark.parametrize(
    "model",
    [
        {"merges": [], "vocab": VOCABULARY},
        {"vocab": VOCABULARY, "scores": PADDING},
    ],
    ids=["merges first", "no merges"],
)
def test_a_file_of_another_order_is_read_to_its_end(model: dict[str, Any]) -> None:
    content = tokenizer(model)

    assert read(content)[0] == content


def test_a_file_that_was_cut_within_its_merges_is_no_json() -> None:
    content = tokenizer({"vocab": VOCABULARY, "merges": []})[:-5]

    with pytest.raises(json.JSONDecodeError):
        json.loads(read(content)[0])


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=40), st.integers(0, 3_000_000))
def test_whatever_the_bytes_it_ends_and_reads_none_twice(head: bytes, length: int) -> None:
    content = head.ljust(length, b" ")

    found, read_bytes = read(content)

    assert found == content
    assert read_bytes == len(content)
