"""Names derived from repositories, held against the patterns of botocore's own service model."""

from __future__ import annotations

import functools
import re
from typing import Any

import botocore.session
import pytest
from hypothesis import given, settings, strategies as st

from model_import.bedrock.rules import bedrock_rules
from model_import.request.naming import execution_name, import_key, job_name, model_name

COMMIT = "5c4a6b8f2f0d1e9b7a3c4d5e6f708192a3b4c5d6"
REPO_IDS = st.one_of(
    st.from_regex(r"[\w.-]{1,96}/[\w.-]{1,96}", fullmatch=True),
    st.text(max_size=200),
)
COMMITS = st.text("0123456789abcdef", min_size=40, max_size=40)
MODEL_NAMES = st.from_regex(r"([0-9a-zA-Z][_-]?){1,31}[0-9a-zA-Z]", fullmatch=True)


@functools.cache
def constraints(member: str) -> dict[str, Any]:
    service = botocore.session.get_session().get_service_model("bedrock")
    request = service.operation_model("CreateModelImportJob").input_shape
    assert request is not None
    return dict(request.members[member].metadata)


def is_accepted(member: str, value: str) -> bool:
    rule = constraints(member)
    return (
        rule["min"] <= len(value) <= rule["max"]
        and re.fullmatch(rule["pattern"], value, re.ASCII) is not None
    )


@settings(deadline=None)
@given(REPO_IDS, COMMITS)
def test_bedrock_accepts_the_model_name_of_any_repository(repo_id: str, commit: str) -> None:
    name = model_name(repo_id, commit)
    assert is_accepted("importedModelName", name)
    assert len(name) <= 63
    assert bedrock_rules().imported_model_name.fullmatch(name)


@settings(deadline=None)
@given(MODEL_NAMES, st.text(), st.integers(1, 9999))
def test_bedrock_accepts_the_job_name_of_any_model_as_name_and_as_token(
    name: str, identity: str, attempt: int
) -> None:
    job = job_name(name, import_key(identity), attempt)
    assert is_accepted("jobName", job)
    assert is_accepted("clientRequestToken", job)
    assert len(job) <= 63


@settings(deadline=None)
@given(REPO_IDS, COMMITS)
def test_names_are_the_same_every_time(repo_id: str, commit: str) -> None:
    name = model_name(repo_id, commit)
    assert name == model_name(repo_id, commit)
    assert import_key(repo_id, commit) == import_key(repo_id, commit)


@settings(deadline=None)
@given(REPO_IDS, COMMITS, COMMITS)
def test_commits_that_differ_at_their_beginning_give_different_names(
    repo_id: str, commit: str, other: str
) -> None:
    same_beginning = commit[:8] == other[:8]
    assert (model_name(repo_id, commit) == model_name(repo_id, other)) == same_beginning


@pytest.mark.parametrize(
    ("repo_id", "name"),
    [
        ("acme/tiny-llama", "acme-tiny-llama-5c4a6b8f"),
        ("meta-llama/Llama-3.1-8B", "meta-llama-Llama-3-1-8B-5c4a6b8f"),
        ("a__b/c._d", "a-b-c-d-5c4a6b8f"),
        ("_a_/_b_", "a-b-5c4a6b8f"),
        ("組織/模型-7B", "7B-5c4a6b8f"),
        ("組織/模型", "5c4a6b8f"),
        # 63 characters would end in a hyphen before the commit's.
        (f"{'a' * 53}/b", f"{'a' * 53}-5c4a6b8f"),
        (f"acme/{'x' * 96}", f"acme-{'x' * 49}-5c4a6b8f"),
        (
            "tokyotech-llm/Llama-3-Swallow-70B-Instruct-v0.1",
            "tokyotech-llm-Llama-3-Swallow-70B-Instruct-v0-1-5c4a6b8f",
        ),
    ],
)
def test_a_model_name_reads_like_its_repository(repo_id: str, name: str) -> None:
    assert model_name(repo_id, COMMIT) == name
    assert is_accepted("importedModelName", name)


def test_the_longest_model_name_leaves_the_job_name_its_key_and_attempt() -> None:
    name = "m" * 63
    jobs = {job_name(name, import_key(f"{number % 20}"), number % 3) for number in range(60)}
    assert len(jobs) == 60
    assert all(len(job) == 63 for job in jobs)


def test_the_rules_state_the_patterns_of_the_service_model() -> None:
    rules = bedrock_rules()
    assert rules.imported_model_name.pattern == constraints("importedModelName")["pattern"]
    assert rules.name_characters_at_most == constraints("importedModelName")["max"]
    assert rules.name_characters_at_most == constraints("jobName")["max"]


@given(REPO_IDS, COMMITS)
def test_an_execution_name_is_one_that_step_functions_takes(repo_id: str, commit: str) -> None:
    assert re.fullmatch(r"[0-9A-Za-z-]{1,80}", execution_name(repo_id, commit))


def test_an_execution_name_shows_its_release_and_is_no_other_releases() -> None:
    name = execution_name("acme/tiny-llama", COMMIT)

    assert name.startswith("acme-tiny-llama-5c4a6b8f-")
    assert name == execution_name("acme/tiny-llama", COMMIT)
    # A repository that was duplicated at the Hub has the same commits.
    others = [("acme/tiny.llama", COMMIT), ("acme/tiny-llama", COMMIT[:-1] + "7")]
    others += [("acme/" + "x" * 90 + end, COMMIT) for end in "ab"]
    assert len({name, *(execution_name(*other) for other in others)}) == 5
