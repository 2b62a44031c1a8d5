"""The picture of the state machine is the one that the definition gives."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from tools import draw_state_machine
from tools.draw_state_machine import PICTURES, draw

if TYPE_CHECKING:
    from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"


each_machine = pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)


def load(path: Path) -> dict[str, Any]:
    definition: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return definition


@pytest.fixture
def machine() -> dict[str, Any]:
    return load(next(iter(PICTURES)))


@each_machine
def test_the_picture_in_the_repository_is_the_one_that_the_command_draws(path: Path) -> None:
    assert PICTURES[path].read_text(encoding="utf-8") == draw(load(path)), "run: make picture"


@each_machine
def test_every_state_is_in_the_picture_once(path: Path) -> None:
    machine = load(path)
    texts = [text.text for text in ET.fromstring(draw(machine)).iter(f"{SVG}text")]  # noqa: S314 – drawn above

    processors = [s["ItemProcessor"] for s in machine["States"].values() if "ItemProcessor" in s]
    inner = [name for processor in processors for name in processor["States"]]
    for name in (*machine["States"], *inner):
        assert texts.count(name) == 1, name


def test_a_state_that_is_added_changes_the_picture(machine: dict[str, Any]) -> None:
    before = draw(machine)

    machine["States"]["Smoke Test"]["Next"] = "Register Model"
    machine["States"]["Register Model"] = {"Type": "Pass", "Next": "Publish Success"}

    assert "Register Model" in draw(machine)
    assert draw(machine) != before


def test_check_exits_0_when_the_picture_is_right() -> None:
    command = [sys.executable, draw_state_machine.__file__, "--check"]

    assert subprocess.run(command, check=False).returncode == 0


def test_check_refuses_a_picture_that_has_drifted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    drifted = tmp_path / "state_machine.svg"
    drifted.write_text("<svg/>", encoding="utf-8")
    monkeypatch.setattr(draw_state_machine, "PICTURES", dict.fromkeys(PICTURES, drifted))
    monkeypatch.setattr(sys, "argv", ["draw_state_machine.py", "--check"])

    with pytest.raises(SystemExit, match="make picture"):
        draw_state_machine.main()

    assert drifted.read_text(encoding="utf-8") == "<svg/>"
