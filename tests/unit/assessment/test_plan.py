"""The plan of an import: made of a request and a repository, and the same after JSON."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from support.fakes.fake_repository import COMMIT, FakeReaders, llama_files, snapshot_of

from local.deployment.stack import ROOT
from model_import.assessment.plan import Plan
from model_import.forecast.estimate import forecast
from model_import.preflight.judge import judge
from model_import.request.input import ImportRequest
from model_import.request.wanted_import import WantedImport


def plan_of(**fields: object) -> Plan:
    files = llama_files()
    request = ImportRequest.from_input({"repo_id": "ACME/Old-Name"} | fields)
    snapshot = replace(snapshot_of(files), revision=request.revision)
    model = judge(snapshot, FakeReaders(files), "us-east-1").figures
    wanted = WantedImport.of(request, snapshot.source)
    estimate = forecast(model, "us-east-1", today=date(2026, 11, 24))
    return Plan.of(request, snapshot, wanted, model, estimate)


def json_of(plan: Plan) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(json.dumps(plan.to_dict()))
    return parsed


def test_a_plan_is_of_the_repository_that_the_hub_answered_with() -> None:
    plan = plan_of(revision="v1", prompt="Why?", expect="because").to_dict()
    assert (plan["repo_id"], plan["commit"]) == ("acme/tiny-llama", COMMIT)
    assert plan["revision"] == "v1"
    assert plan["model_name"] == f"acme-tiny-llama-{COMMIT[:8]}"
    assert plan["smoke_test"] == {"prompt": "Why?", "expect": "because"}
    assert plan["figures"]["model_type"] == "llama"


def test_a_plan_has_the_tags_of_the_input_and_of_the_source_as_the_sdk_spells_them() -> None:
    assert plan_of(tags={"team": "nlp"}).to_dict()["tags"] == [
        {"Key": "team", "Value": "nlp"},
        {"Key": "huggingface-repository", "Value": "acme/tiny-llama"},
        {"Key": "huggingface-commit", "Value": COMMIT},
        {"Key": "huggingface-copy", "Value": "normalised"},
    ]


def test_a_model_name_of_the_input_is_taken_as_it_is() -> None:
    plan = plan_of(model_name="My_Model").to_dict()
    assert plan["model_name"] == "My_Model"
    assert plan["model_name_given"]


def test_the_fields_of_a_plan_are_those_that_running_executions_carry() -> None:
    plan = json_of(plan_of())
    assert list(plan) == [
        "repo_id", "revision", "commit", "model_name", "model_name_given", "tags", "normalise",
        "smoke_test", "figures", "forecast",
    ]  # fmt: skip
    assert list(plan["figures"]) == [
        "licence", "model_type", "architecture", "kind", "context_length", "chat_template",
        "dtype", "parameters", "weights_files", "weights_bytes",
    ]  # fmt: skip
    assert list(plan["forecast"]) == [
        "transfer_bytes", "transfer_seconds", "custom_model_units", "usd_per_active_hour",
        "usd_per_window", "usd_per_storage_month",
    ]  # fmt: skip
    for figure in plan["forecast"].values():
        assert list(figure) == ["kind", "at_least", "at_most", "unit", "source", "date"]


def test_the_state_machine_reads_no_field_that_a_plan_has_not() -> None:
    text = (ROOT / "statemachine" / "model_import.asl.yaml").read_text()
    paths = set(re.findall(r"\$plan((?:\.\w+)+)", text))

    assert ".figures.context_length" in paths
    for path in paths:
        found: Any = json_of(plan_of())
        for name in path.split(".")[1:]:
            found = found[name]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"revision": "v1", "prompt": "Why?", "expect": "because"},
        {"model_name": "My_Model", "tags": {"team": "nlp", "empty": ""}, "normalise": False},
    ],
)
def test_a_plan_is_the_same_after_json(fields: dict[str, object]) -> None:
    plan = plan_of(**fields)
    assert Plan.from_dict(json_of(plan)) == plan
    assert json_of(Plan.from_dict(json_of(plan))) == json_of(plan)


def test_fields_that_a_later_release_adds_are_ignored() -> None:
    later = json_of(plan_of())
    for holder in (
        later,
        later["smoke_test"],
        later["figures"],
        later["forecast"],
        later["forecast"]["transfer_bytes"],
    ):
        holder["added"] = 1
    assert Plan.from_dict(later) == plan_of()


@pytest.mark.parametrize("field", json_of(plan_of()))
def test_a_plan_without_one_of_its_fields_is_refused_by_the_fields_name(field: str) -> None:
    without = json_of(plan_of())
    del without[field]
    with pytest.raises(KeyError, match=field):
        Plan.from_dict(without)
