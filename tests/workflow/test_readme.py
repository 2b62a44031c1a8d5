"""The README names what the code has: every subject of findings, error, state and input field."""

from __future__ import annotations

import inspect
import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from model_import import errors
from model_import.errors import RAISED_BY_STATE_MACHINE, ModelImportError
from model_import.findings.catalogue import Subject
from model_import.request.input import ImportRequest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _section(title: str) -> str:
    return README.split(f"# {title}\n", 1)[1].split("\n#", 1)[0]


def _first_cells(section: str) -> list[str]:
    rows = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("| ")]
    return rows[2:]


def _states(machine: str) -> set[str]:
    definition = ROOT / "statemachine" / f"{machine}.asl.yaml"
    states = yaml.safe_load(definition.read_text(encoding="utf-8"))["States"]
    inner = [
        state["ItemProcessor"]["States"] for state in states.values() if "ItemProcessor" in state
    ]
    return set(states).union(*inner)


def test_the_table_of_findings_has_every_subject_once() -> None:
    assert _first_cells(_section("Findings")) == list(Subject)


def test_every_error_is_named_and_no_other() -> None:
    classes = {
        name
        for name, value in inspect.getmembers(errors, inspect.isclass)
        if issubclass(value, ModelImportError) and value is not ModelImportError
    }

    assert set(re.findall(r"\b[A-Z]\w+Error\b", README)) == classes | set(RAISED_BY_STATE_MACHINE)


@pytest.mark.parametrize(
    ("title", "machine"), [("States", "model_import"), ("Of a release", "model_release")]
)
def test_the_table_of_states_has_every_state_once(title: str, machine: str) -> None:
    assert sorted(_first_cells(_section(title))) == sorted(_states(machine))


def test_the_output_of_the_demo_names_states_that_there_are() -> None:
    shown = re.findall(r"› (.+)", README)

    assert shown[-1] == "Model Imported"
    assert set(shown) <= _states("model_import")


def test_the_table_of_inputs_has_every_field() -> None:
    known = [f"`{field.name}`" for field in fields(ImportRequest)]

    assert _first_cells(_section("Input")) == known


@pytest.mark.parametrize("page", ["README.md", "docs/decisions.md", "docs/findings.md"])
def test_links_lead_to_files_and_headings_that_there_are(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")

    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert re.search(rf"(?im)^#+ {target[1:].replace('-', ' ')}$", text), target
        elif "://" not in target:
            assert (ROOT / page).parent.joinpath(target).exists(), target


def test_the_worked_example_of_costs_is_what_the_data_say() -> None:
    data = tomllib.loads((ROOT / "functions/model_import/forecast/data.toml").read_text("utf-8"))
    units = next(row["units"] for row in data["units"] if row["model"] == "Llama 3.1 70B")
    rate = next(row for row in data["rates"] if row["region"] == "us-east-1")
    minute = units * rate["usd_per_unit_minute"]
    month = units * data["storage"]["usd_per_unit_month"]
    costs = _section("What it costs")

    assert f"USD {rate['usd_per_unit_minute']} a unit and minute ({rate['date']})" in costs
    for figure in (
        f"USD {month:.2f} a month of storage",
        f"USD {minute * data['billing']['window_minutes']:.2f} for the smoke test",
        f"USD {minute * 60:.2f} for an hour",
    ):
        assert figure in costs
