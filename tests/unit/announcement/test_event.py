"""Every event is announced: the known ones for people, any other as it is."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import given, strategies as st

from model_import.announcement.event import announcement_of

from local.deployment.stack import ROOT  # isort: skip

AT: Final = datetime(2026, 11, 24, 18, 30, tzinfo=UTC)
COMMIT: Final = "4f5e" * 10
EXECUTION: Final = "arn:aws:states:us-east-1:123456789012:execution:Import:1"
MODEL: Final = "arn:aws:bedrock:us-east-1:123456789012:imported-model/46da486162da"
FORECAST: Final = {
    "transfer_seconds": {"at_least": 2400, "at_most": 2400},
    "custom_model_units": {"at_least": 2, "at_most": 8},
    "usd_per_window": {"at_least": 0.57, "at_most": 2.29},
    "usd_per_active_hour": {"at_least": None, "at_most": None},
    "usd_per_storage_month": {"at_least": 15.6, "at_most": 15.6},
}
DETAIL: Final[dict[str, Any]] = {
    "repo_id": "acme/Tiny",
    "commit": COMMIT,
    "model_name": "Tiny-4f5e4f5e",
    "execution_arn": EXECUTION,
    "started_at": "2026-11-24T17:30:00.512Z",
    "manifest_uri": "s3://bucket/imports/1/manifest.json",
    "forecast": FORECAST,
}
SUCCEEDED: Final = {**DETAIL, "action": "import", "model_arn": MODEL}
FAILED: Final = {**DETAIL, "model_arn": None, "error": "ChecksumMismatchError", "cause": "Wrong."}
KNOWN: Final = {
    "Model Import Started": {**DETAIL, "findings": []},
    "Model Import Succeeded": SUCCEEDED,
    "Model Import Failed": FAILED,
    "Model Release Refused": {**DETAIL, "objections": ["too large", "no licence"]},
    "Model Release Failed": {**FAILED, "release": {"repo_id": "acme/Tiny"}},
}
ANY_LEAF: Final = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
ANY_JSON: Final = (
    ANY_LEAF | st.lists(ANY_LEAF, max_size=2) | st.dictionaries(st.just("repo_id"), ANY_LEAF)
)


def labels(detail_type: str, detail: dict[str, Any]) -> list[str]:
    return [link.label for link in announcement_of(detail_type, AT, detail).links]


def test_the_detail_types_are_those_that_the_state_machines_put() -> None:
    put = set[str]()
    for machine in (ROOT / "statemachine").iterdir():
        put |= set(re.findall(r"DetailType: (Model .+)", machine.read_text(encoding="utf-8")))

    assert put <= set(KNOWN)
    for detail_type in put:
        assert announcement_of(detail_type, AT, KNOWN[detail_type]).kind != "other"


@pytest.mark.parametrize("detail_type", KNOWN)
def test_repository_execution_and_kind_are_in_each(detail_type: str) -> None:
    announced = announcement_of(detail_type, AT, KNOWN[detail_type])

    assert announced.repo_id == "acme/Tiny"
    assert announced.kind == re.sub(
        " ", "_", detail_type.removeprefix("Model ").removeprefix("Import ").lower()
    )
    assert "acme/Tiny" in announced.title()
    assert EXECUTION in announced.text()


def test_a_beginning_tells_the_forecast_and_the_warnings() -> None:
    findings = [{"code": f"CODE_{number}", "found": "something"} for number in range(25)]
    detail = {**DETAIL, "findings": findings}

    text = announcement_of("Model Import Started", AT, detail).text()

    assert "Started at 2026-11-24 17:30 UTC." in text
    assert (
        "Forecast: transfer 40 min, units per copy 2 to 8, 5 active minutes 0.57 to 2.29 USD, "
        "active hour unknown, month of storage 15.60 USD." in text
    )
    assert "- CODE_19: something\n- and 5 more\n" in text


def test_a_success_tells_model_time_and_forecast_and_leads_to_the_playground() -> None:
    announced = announcement_of("Model Import Succeeded", AT, SUCCEEDED)

    assert announced.subject == "Imported: acme/Tiny"
    assert f"Model: {MODEL}" in announced.text()
    assert "Took 1 h 00 min, from 2026-11-24 17:30 UTC." in announced.text()
    assert "Forecast: " in announced.text()
    assert labels("Model Import Succeeded", SUCCEEDED) == ["Playground", "Execution", "Manifest"]


def test_a_model_that_was_there_is_not_said_to_be_imported_anew() -> None:
    announced = announcement_of("Model Import Succeeded", AT, {**SUCCEEDED, "action": "use"})

    assert announced.subject == "Already imported: acme/Tiny"


def test_a_failure_tells_its_name_and_cause_first() -> None:
    announced = announcement_of("Model Import Failed", AT, FAILED)

    assert announced.subject == "Import failed: acme/Tiny (ChecksumMismatchError)"
    assert announced.text().startswith("ChecksumMismatchError: Wrong.\n")
    assert labels("Model Import Failed", FAILED) == ["Execution", "Manifest"]


def test_a_failure_tells_of_the_model_that_it_leaves() -> None:
    detail = {**FAILED, "model_arn": MODEL}

    announced = announcement_of("Model Import Failed", AT, detail)

    assert f"kept, and its storage is billed: {MODEL}" in announced.text()
    assert "Playground" in labels("Model Import Failed", detail)


def test_a_failure_before_anything_was_known_is_announced() -> None:
    detail = FAILED | dict.fromkeys(["repo_id", "commit", "model_name", "manifest_uri", "forecast"])

    announced = announcement_of("Model Import Failed", AT, detail)

    assert announced.kind == "failed"
    assert announced.subject == "Import failed: unknown repository (ChecksumMismatchError)"
    assert announced.repo_id == ""


def test_a_refusal_tells_every_objection() -> None:
    text = announcement_of("Model Release Refused", AT, KNOWN["Model Release Refused"]).text()

    assert "- too large\n- no licence\n" in text


@pytest.mark.parametrize(
    ("detail_type", "detail"),
    [
        ("Model Import Paused", {"repo_id": "acme/Tiny", "why": "lunch"}),
        ("Model Import Succeeded", {"repo_id": "acme/Tiny", "why": "lunch"}),
    ],
)
def test_what_is_not_known_is_announced_as_it_is(detail_type: str, detail: dict[str, Any]) -> None:
    announced = announcement_of(detail_type, AT, detail)

    assert (announced.kind, announced.subject) == ("other", f"{detail_type}: acme/Tiny")
    assert json.loads(announced.text()) == detail


@given(
    st.sampled_from([*KNOWN, "Another"]),
    st.dictionaries(
        st.sampled_from(sorted({*SUCCEEDED, *FAILED, "objections", "release"})),
        ANY_JSON,
        max_size=3,
    ),
)
def test_no_event_is_lost_whatever_it_holds(detail_type: str, changes: dict[str, Any]) -> None:
    announced = announcement_of(detail_type, AT, KNOWN.get(detail_type, {}) | changes)

    assert announced.request()["Subject"]
