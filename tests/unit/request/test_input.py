"""The input of an execution: parsed whole, or refused with what was found and what is accepted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from model_import.bedrock.rules import bedrock_rules
from model_import.errors import InvalidInputError
from model_import.request.input import ImportRequest
from model_import.request.wanted_import import SOURCE_TAGS

REPO_ID = "acme/tiny-llama"
CAUSE_CHARACTERS_AT_MOST = 2_000

# JSON may escape half of a surrogate pair, which no UTF-8 can carry on.
TEXTS = st.text(st.characters(), max_size=40) | st.just("\ud800")
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
INPUTS = JSON_VALUES | st.fixed_dictionaries(
    {},
    optional={
        "repo_id": st.just(REPO_ID) | JSON_VALUES,
        "revision": st.sampled_from(["main", "refs/pr/1", "v1.0"]) | JSON_VALUES,
        "model_name": st.just("my-model") | JSON_VALUES,
        "tags": st.dictionaries(TEXTS, TEXTS, max_size=3) | JSON_VALUES,
        "prompt": JSON_VALUES,
        "expect": JSON_VALUES,
        "normalise": JSON_VALUES,
    },
)


def refusal(**fields: Any) -> str:  # noqa: ANN401 any JSON value
    with pytest.raises(InvalidInputError) as caught:
        ImportRequest.from_input({"repo_id": REPO_ID} | fields)
    return str(caught.value)


def test_a_repository_is_enough() -> None:
    assert ImportRequest.from_input({"repo_id": REPO_ID}) == ImportRequest(
        repo_id=REPO_ID,
        revision="main",
        model_name=None,
        tags={},
        prompt=None,
        expect=None,
        normalise=True,
    )


def test_every_field_is_taken_as_it_is_given() -> None:
    given_input = {
        "repo_id": "Org_1/Model.v1-x",
        "revision": "refs/pr/12",
        "model_name": "My_model-1",
        "tags": {"team": "nlp", "cost centre": "a/b:c=d+e@f_g.h-1", "empty": ""},
        "prompt": "次のうち、金管楽器であるのはどれ?",
        "expect": "トランペット",
        "normalise": False,
    }
    assert ImportRequest.from_input(given_input) == ImportRequest(**given_input)  # type: ignore[arg-type]  # values of several types


def test_a_field_that_is_null_is_a_field_left_out() -> None:
    nulls = dict.fromkeys(("revision", "model_name", "tags", "prompt", "expect"))
    assert ImportRequest.from_input({"repo_id": REPO_ID} | nulls) == ImportRequest.from_input(
        {"repo_id": REPO_ID}
    )


@settings(deadline=None, max_examples=300)
@given(INPUTS)
def test_any_json_value_is_parsed_or_refused_in_a_text_that_can_be_sent(value: object) -> None:
    try:
        request = ImportRequest.from_input(value)
    except InvalidInputError as error:
        message = str(error)
    else:
        message = repr(request)
        for text in (request.revision, request.prompt, request.expect, *request.tags.values()):
            (text or "").encode()
    message.encode()


@pytest.mark.parametrize("value", [None, [], "acme/tiny-llama", 1, True])
def test_an_input_that_is_no_object_is_refused_with_an_example(value: object) -> None:
    with pytest.raises(InvalidInputError, match=r'The input is .*\{"repo_id": "'):
        ImportRequest.from_input(value)


def test_unknown_fields_are_refused_by_name_beside_the_known_ones() -> None:
    found = refusal(reop_id="x", branch="main")
    assert "unknown fields: 'branch', 'reop_id'" in found
    assert "repo_id, revision, model_name, tags, prompt, expect" in found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, "repo_id is None"),
        ("", "repo_id is ''"),
        (7, "repo_id is 7"),
        ("gpt2", "'gpt2' has no organisation"),
        ("datasets/acme/x", "repo_id is 'datasets/acme/x'"),
        ("https://huggingface.co/acme/x", "repo_id is 'https://huggingface.co/acme/x'"),
        ("acme/", "repo_id is 'acme/'"),
        ("/x", "repo_id is '/x'"),
        ("acme/x y", "repo_id is 'acme/x y'"),
        ("acme/x\n", "repo_id is 'acme/x\\n'"),
        ("acme/x--y", "repo_id is 'acme/x--y'"),
        ("acme/../x", "repo_id is 'acme/../x'"),
        ("acme/x.git", "repo_id is 'acme/x.git'"),
        ("acme/" + "x" * 97, "repo_id is 'acme/xxx"),
    ],
)
def test_a_malformed_repo_id_is_refused(value: object, found: str) -> None:
    message = refusal(repo_id=value)
    assert found in message
    assert "Give organisation/name as the Hub spells it" in message


@pytest.mark.parametrize(
    "value",
    [
        "",
        1,
        [],
        "a" * 256,
        "a b",
        "a\n",
        "../main",
        "a..b",
        "a//b",
        "/main",
        "main/",
        "-x",
        ".x",
        "x.",
        "a~1",
        "HEAD^",
        "a:b",
        "a?b",
        "a#b",
        "a%2fb",
        "a*",
        "a[0]",
        "a\\b",
        "a@{1}",
        "a\x7f",
        "\ud800",
    ],
)
def test_a_malformed_revision_is_refused(value: object) -> None:
    message = refusal(revision=value)
    assert message.startswith(f"revision is {value!r:.100}")
    assert "Give a branch, a tag or a commit" in message


@pytest.mark.parametrize(
    "value", ["", 1, "a.b", "a--b", "-a", "a_-b", "a b", "名", "a" * 64, "a\n", {}]
)
def test_a_malformed_model_name_is_refused(value: object) -> None:
    message = refusal(model_name=value)
    assert message.startswith(f"model_name is {value!r}")
    assert "Bedrock accepts 1 to 63 letters and digits" in message


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ([], "tags is []"),
        ("team=nlp", "tags is 'team=nlp'"),
        ({"": "x"}, "tags has the key ''"),
        ({"チーム": "x"}, "tags has the key 'チーム'"),
        ({"a" * 129: "x"}, "tags has the key 'aaa"),
        ({"team": 1}, "tag 'team' has the value 1"),
        ({"team": "x" * 257}, "tag 'team' has the value 'xxx"),
        ({"team": "a,b"}, "tag 'team' has the value 'a,b'"),
        ({"team": "a\u3000b"}, "tag 'team' has the value 'a\\u3000b'"),
    ],
)
def test_malformed_tags_are_refused(tags: object, found: str) -> None:
    message = refusal(tags=tags)
    assert message.startswith(found)
    assert "Bedrock accepts keys of 1 to 128" in message or "Give an object of strings" in message


@pytest.mark.parametrize("key", [*SOURCE_TAGS, "aws:team", "AWS:x"])
def test_a_tag_that_the_import_sets_itself_is_refused(key: str) -> None:
    assert f"The import sets {', '.join(SOURCE_TAGS)} itself" in refusal(tags={key: "x"})


def test_there_is_room_for_the_tags_of_the_import_and_for_no_more() -> None:
    room = bedrock_rules().tags_at_most - len(SOURCE_TAGS)
    tags = {f"tag-{number}": "x" for number in range(room)}
    assert ImportRequest.from_input({"repo_id": REPO_ID, "tags": tags}).tags == tags
    assert f"Give at most {room}:" in refusal(tags=tags | {"one more": "x"})


@pytest.mark.parametrize("field", ["prompt", "expect"])
@pytest.mark.parametrize("value", ["", " \n", 1, ["x"], "x" * 20_001, "\ud800"])
def test_a_malformed_prompt_or_expectation_is_refused(field: str, value: object) -> None:
    message = refusal(**{field: value})
    assert message.startswith(f"{field} is ")
    assert "Give a string of 1 to " in message


@pytest.mark.parametrize(
    "fields",
    [
        {"repo_id": "x" * 100_000},
        {"x" * 100_000: 1},
        {f"field-{number}": 1 for number in range(10_000)},
        {"revision": "x" * 100_000},
        {"model_name": "x" * 100_000},
        {"tags": {"x" * 100_000: ""}},
        {"tags": {"x": "x" * 100_000}},
        {"prompt": ["x" * 100_000]},
    ],
)
def test_a_refusal_is_short_however_long_the_input(fields: dict[str, object]) -> None:
    assert len(refusal(**fields)) <= CAUSE_CHARACTERS_AT_MOST
