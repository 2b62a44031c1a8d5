"""The pages name what the code has: parameters, input fields, states, errors, findings, rooms."""

from __future__ import annotations

import inspect
import json
import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.deployment.stack import read_template
from model_import import errors
from model_import.errors import RAISED_BY_STATE_MACHINE, TRANSIENT, ModelImportError
from model_import.findings.catalogue import Subject
from model_import.request.input import ImportRequest

ROOT = Path(__file__).parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
}
README = PAGES["README.md"]
ARCHITECTURE = PAGES["docs/architecture.md"]
DEPLOYING = PAGES["docs/deploying.md"]
EXECUTIONS = PAGES["docs/executions.md"]
RELEASES = PAGES["docs/releases.md"]

each_page = pytest.mark.parametrize("page", PAGES)


def _section(page: str, title: str) -> str:
    return page.split(f"# {title}\n", 1)[1].split("\n#", 1)[0]


def _with_subsections(page: str, title: str) -> str:
    return page.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def _rows(section: str) -> list[list[str]]:
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    rules = [number for number, row in enumerate(rows) if set("".join(row)) <= set("-: |")]
    heads = {number - 1 for number in rules} | set(rules)
    return [row for number, row in enumerate(rows) if number not in heads]


def _first_cells(section: str) -> list[str]:
    return [row[0] for row in _rows(section)]


def _states(machine: str) -> dict[str, Any]:
    definition = ROOT / "statemachine" / f"{machine}.asl.yaml"
    states: dict[str, Any] = yaml.safe_load(definition.read_text(encoding="utf-8"))["States"]
    inner = [
        state["ItemProcessor"]["States"] for state in states.values() if "ItemProcessor" in state
    ]
    return states | {name: state for named in inner for name, state in named.items()}


def _error_names() -> set[str]:
    return {
        name
        for name, value in inspect.getmembers(errors, inspect.isclass)
        if issubclass(value, ModelImportError) and value is not ModelImportError
    } | set(RAISED_BY_STATE_MACHINE)


def _headings(page: str) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    text = re.sub(r"(?ms)^```.*?^```$", "", page)
    titles = re.findall(r"(?m)^#+ (.+)$", text)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_readme_can_be_read_in_one_go() -> None:
    assert len(README.splitlines()) <= 150


def test_the_readme_names_every_page() -> None:
    table = _section(README, "Documentation")

    assert set(re.findall(r"\]\((docs/[^)#]+)\)", table)) == {
        page for page in PAGES if page.startswith("docs/")
    }


def test_the_table_of_findings_has_every_subject_once() -> None:
    assert _first_cells(_section(EXECUTIONS, "Findings")) == list(Subject)


def test_the_table_of_errors_has_every_error_once_and_those_that_are_retried() -> None:
    rows = _rows(_section(EXECUTIONS, "Errors"))

    assert sorted(row[0].strip("`") for row in rows) == sorted(_error_names())
    retried = {row[0].strip("`") for row in rows if row[1] == "yes"}
    assert retried == {error.__name__ for error in TRANSIENT}
    assert {row[1] for row in rows} == {"yes", "no"}


def test_the_tables_of_states_name_every_error() -> None:
    tables = _section(EXECUTIONS, "States") + _section(RELEASES, "States of a release")

    assert set(re.findall(r"\b[A-Z]\w+Error\b", tables)) == _error_names()


@each_page
def test_a_page_names_no_error_that_there_is_not(page: str) -> None:
    assert set(re.findall(r"`([A-Z]\w+Error)`", PAGES[page])) <= _error_names()


@pytest.mark.parametrize(
    ("page", "title", "machine"),
    [
        (EXECUTIONS, "States", "model_import"),
        (RELEASES, "States of a release", "model_release"),
    ],
    ids=["model_import", "model_release"],
)
def test_the_table_of_states_has_every_state_once(page: str, title: str, machine: str) -> None:
    assert sorted(_first_cells(_section(page, title))) == sorted(_states(machine))


def test_the_output_of_the_demo_names_states_that_there_are() -> None:
    shown = re.findall(r"› (.+)", README)

    assert shown[-1] == "Model Imported"
    assert set(shown) <= _states("model_import").keys()


def test_the_table_of_inputs_has_every_field() -> None:
    known = [f"`{field.name}`" for field in fields(ImportRequest)]

    assert _first_cells(_section(EXECUTIONS, "Input")) == known


def test_the_table_of_outputs_has_every_field() -> None:
    named = re.findall(r"`(\w+)`", " ".join(_first_cells(_section(EXECUTIONS, "Output"))))

    assert sorted(named) == sorted(_states("model_import")["Model Imported"]["Output"])


def test_the_table_of_events_has_every_event_of_an_import() -> None:
    text = (ROOT / "statemachine" / "model_import.asl.yaml").read_text(encoding="utf-8")
    sent = {f"`{name}`" for name in re.findall(r"DetailType: (.+)", text)}

    assert set(_first_cells(_section(EXECUTIONS, "Events"))) == sent | {
        "`Model Import Waiting for Approval`"
    }


def test_the_tables_of_parameters_have_every_parameter_once_with_its_default() -> None:
    releases = "".join(
        _section(RELEASES, title)
        for title in ("From the Hub to the stack", "Approval", "Announcements")
    )
    defaults = {
        name: row[1]
        for row in _rows(_with_subsections(DEPLOYING, "Parameters") + releases)
        for name in re.findall(r"`(\w+)`", row[0])
    }

    assert defaults == {
        name: str(parameter["Default"]) or "none"
        for name, parameter in read_template()["Parameters"].items()
    }


def test_the_table_of_the_policy_has_every_field() -> None:
    schema = ROOT / "functions/model_import/release/policy.schema.json"
    known = json.loads(schema.read_text(encoding="utf-8"))["properties"]

    assert _first_cells(_section(RELEASES, "The policy")) == [f"`{name}`" for name in known]


def test_the_table_of_rooms_has_every_room_from_low_to_high() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    rows = _first_cells(_section(ARCHITECTURE, "The rooms of the domain"))

    assert [set(re.findall(r"\w+", row)) for row in rows] == [
        set(re.findall(r"\w+", layer)) for layer in reversed(layers)
    ]


def test_the_architecture_names_files_that_there_are() -> None:
    named = set(re.findall(r"`((?:\w[\w-]*/)+[\w.-]*)`", ARCHITECTURE))

    assert len(named) > 30
    assert not [path for path in named if not (ROOT / path).exists()]


def test_the_index_of_decisions_has_every_decision_once() -> None:
    page = PAGES["docs/decisions.md"]
    decided = re.findall(r"(?m)^## (\d{4}-\d\d-\d\d · .+)$", page)
    rows = _rows(page.split(f"## {decided[0]}", 1)[0])

    listed = [re.sub(r"^\[(.+)\]\(#.+\)$", r"\1", title) for title, *_ in rows]
    assert sorted(f"{row[1]} · {title}" for row, title in zip(rows, listed, strict=True)) == sorted(
        decided
    )
    assert decided == sorted(decided, key=lambda title: title[:10])


@each_page
def test_links_lead_to_files_and_headings_that_there_are(page: str) -> None:
    folder = (ROOT / page).parent

    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if "://" in target:
            continue
        path, _, heading = target.partition("#")
        file = folder / path if path else ROOT / page
        assert file.exists(), target
        if heading:
            assert heading in _headings(file.read_text(encoding="utf-8")), target


@pytest.mark.parametrize("page", [README, DEPLOYING], ids=["README.md", "docs/deploying.md"])
def test_the_worked_example_of_costs_is_what_the_data_say(page: str) -> None:
    data = tomllib.loads((ROOT / "functions/model_import/forecast/data.toml").read_text("utf-8"))
    units = next(row["units"] for row in data["units"] if row["model"] == "Llama 3.1 70B")
    rate = next(row for row in data["rates"] if row["region"] == "us-east-1")
    minute = units * rate["usd_per_unit_minute"]
    month = units * data["storage"]["usd_per_unit_month"]
    costs = " ".join(_section(page, "What it costs").split())

    assert f"USD {rate['usd_per_unit_minute']} a unit and minute ({rate['date']})" in costs
    for figure in (
        f"USD {month:.2f} a month of storage",
        f"USD {minute * data['billing']['window_minutes']:.2f} for the smoke test",
        f"USD {minute * 60:.2f} for an hour",
    ):
        assert figure in costs
