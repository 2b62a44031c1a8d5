"""`make generate` writes what is generated, and its check names what is stale."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tools import generate

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Have one generated file, in a folder of its own."""
    path = tmp_path / "page.md"
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate, "generated_files", lambda: [(path, lambda: "# Right")])
    return path


def run(monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    monkeypatch.setattr(sys, "argv", ["generate.py", *options])
    generate.main()


@pytest.mark.parametrize("content", ["# Wrong", None])
def test_the_check_names_a_stale_or_missing_file_and_leaves_it(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    page: Path,
    content: str | None,
) -> None:
    if content:
        page.write_text(content, encoding="utf-8")

    with pytest.raises(SystemExit, match="make generate"):
        run(monkeypatch, "--check")

    assert capsys.readouterr().out == "page.md is stale\n"
    assert (page.read_text(encoding="utf-8") if page.exists() else None) == content


def test_the_check_passes_when_nothing_is_stale(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], page: Path
) -> None:
    page.write_text("# Right", encoding="utf-8")

    run(monkeypatch, "--check")

    assert capsys.readouterr().out == ""


def test_what_is_stale_is_written(monkeypatch: pytest.MonkeyPatch, page: Path) -> None:
    page.write_text("# Wrong", encoding="utf-8")

    run(monkeypatch)

    assert page.read_text(encoding="utf-8") == "# Right"


def test_everything_that_a_command_writes_is_among_the_generated_files() -> None:
    names = {path.relative_to(generate.ROOT).as_posix() for path, _ in generate.generated_files()}

    assert names >= {
        "docs/architecture.svg",
        "docs/findings.md",
        "docs/model_release.svg",
        "docs/state_machine.svg",
        "docs/transfer.md",
        "benchmarks/results/plain.svg",
        "functions/requirements.txt",
        "functions/transfer_model/requirements.txt",
    }
