"""What the policy says of a release, and that a policy in doubt says nothing at all."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from hypothesis import given, strategies as st
from moto import mock_aws

from model_import.errors import PolicyInvalidError
from model_import.release.policy import Policy, ReleasedModel, read_policy

MODEL = ReleasedModel("acme/Tiny-1.0", "llama", 2_000_000, 10.5)


def policy(**document: object) -> Policy:
    return Policy.from_json(json.dumps({"watch": ["acme/*"], "settle_seconds": 0} | document))


def test_a_watched_model_within_every_limit_is_imported() -> None:
    limited = policy(
        model_types=["llama", "qwen2"],
        weights_bytes_at_most=2_000_000,
        usd_per_active_hour_at_most=10.5,
    )

    assert limited.objections(MODEL) == ()


def test_every_reason_is_told_at_once() -> None:
    strict = policy(model_types=["mistral"], weights_bytes_at_most=1, usd_per_active_hour_at_most=1)

    family, size, price = strict.objections(MODEL)

    assert family == "the model_type is llama, but the policy accepts mistral"
    assert size == "the weights have 2,000,000 bytes, but the policy accepts at most 1"
    assert price == (
        "the forecast price of an active hour is 10.50 USD, but the policy accepts at most 1.00 USD"
    )


def test_a_price_that_is_not_known_is_above_any_limit() -> None:
    (reason,) = policy(usd_per_active_hour_at_most=1000).objections(
        ReleasedModel("acme/x", "llama", 1, None)
    )

    assert "active hour is unknown" in reason


@pytest.mark.parametrize(
    ("watch", "excluded", "repo_id", "watched"),
    [
        (["acme/tiny"], [], "acme/tiny", True),
        (["acme/tiny"], [], "Acme/TINY", True),
        (["acme/tiny"], [], "acme/tiny-2", False),
        (["acme/tiny-*"], [], "acme/tiny-2", True),
        (["acme/tiny-?"], [], "acme/tiny-22", False),
        (["acme/*"], ["acme/*-GGUF"], "acme/tiny-gguf", False),
        (["acme/*"], ["acme/*-GGUF"], "acme/tiny", True),
        (["acme/*"], [], "acme2/tiny", False),
        ([], [], "acme/tiny", False),
    ],
)
def test_names_are_matched_as_the_hub_tells_them_apart(
    watch: list[str], excluded: list[str], repo_id: str, *, watched: bool
) -> None:
    found = policy(watch=watch, **{"except": excluded})

    assert found.watches(repo_id) is watched
    assert bool(found.objections_to_name(repo_id)) is not watched


def test_why_a_name_is_not_watched_is_told() -> None:
    found = policy(**{"except": ["acme/*-GGUF"]})

    assert found.objections_to_name("acme/x-GGUF") == ("acme/x-GGUF is excluded by acme/*-GGUF",)
    (reason,) = found.objections_to_name("other/x")
    assert reason == "other/x is not watched: the policy watches acme/*"


def test_patterns_of_one_author_in_any_case_are_one_group() -> None:
    found = policy(watch=["acme/a", "Acme/b", "other/*"])

    assert found.patterns_by_author() == {"acme": ("acme/a", "Acme/b"), "other": ("other/*",)}


@pytest.mark.parametrize(
    ("document", "where"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "must be object"),
        ('{"watch": []}', "settle_seconds"),
        ('{"settle_seconds": 0}', "watch"),
        ('{"watch": ["*/x"], "settle_seconds": 0}', "watch"),
        ('{"watch": ["acme"], "settle_seconds": 0}', "watch"),
        ('{"watch": "acme/*", "settle_seconds": 0}', "watch"),
        ('{"watch": [], "settle_seconds": -1}', "settle_seconds"),
        ('{"watch": [], "settle_seconds": "600"}', "settle_seconds"),
        ('{"watch": [], "settle_seconds": 0, "licenses": []}', "licenses"),
        ('{"watch": [], "settle_seconds": 0, "licences": []}', "licences"),
    ],
)
def test_a_document_in_doubt_is_refused_and_says_where(document: str, where: str) -> None:
    with pytest.raises(PolicyInvalidError, match="Nothing was imported") as caught:
        Policy.from_json(document)
    assert where in str(caught.value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["watch", "settle_seconds", "licences", "x"]), inner)
        ),
    )
)
def test_whatever_the_document_is_it_is_a_policy_or_refused_by_name(document: Any) -> None:  # noqa: ANN401 – any JSON
    try:
        found = Policy.from_json(json.dumps(document))
    except PolicyInvalidError:
        return
    assert 0 <= found.settle_seconds <= 86400


def test_a_policy_that_is_missing_is_refused_by_name() -> None:
    with mock_aws():
        ssm = boto3.client("ssm")
        with pytest.raises(
            PolicyInvalidError, match="SSM parameter '/model-import/release-policy' does not exist"
        ):
            read_policy(ssm, "/model-import/release-policy")
        value = '{"watch": ["acme/*"], "settle_seconds": 1}'
        ssm.put_parameter(Name="/model-import/release-policy", Value=value, Type="String")
        assert read_policy(ssm, "/model-import/release-policy").watches("acme/x")
