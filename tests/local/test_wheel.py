"""The wheel of the `model-import` command, where there is no checkout."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib.metadata import PathDistribution, distribution, packages_distributions
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zipfile import ZipFile

import click
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from local.__main__ import SHIPPED_HUB
from model_import_cli.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROJECT: Final = Path(__file__).parents[2]
PACKAGES: Final = {"model_import", "model_import_cli"}
SHIPPED: Final = "model-import/Tiny-Quiz-Llama-Instruct"

# What the script of an installed wheel does, for one command line after another.
RUN_SCRIPT: Final = """
import shlex, sys
from importlib.metadata import distribution

folder, *lines = sys.argv[1:]
sys.path.append(folder)
(script,) = distribution("model-import").entry_points.select(group="console_scripts")
command = script.load()
for line in lines:
    sys.argv = [script.name, *shlex.split(line)]
    try:
        command()
    except SystemExit as ended:
        if ended.code:
            raise
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and unpack it, which is all that an installer does with it."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=PROJECT,
        check=True,
        capture_output=True,
    )
    (archive,) = folder.glob("*.whl")
    with ZipFile(archive) as packed:
        packed.extractall(folder / "unpacked")
    return folder / "unpacked"


@pytest.fixture(scope="module")
def installation(wheel: Path) -> Path:
    """Link what the wheel requires beside it, and nothing else of this environment."""
    for name in reached_from(declared_by(wheel), needed_by):
        required = distribution(name)
        for top in {file.parts[0] for file in required.files or []} - {"..", "__pycache__"}:
            (wheel / top).symlink_to(str(required.locate_file(top)))
    return wheel


def declared_by(wheel: Path) -> list[Requirement]:
    (metadata,) = wheel.glob("model_import-*.dist-info")
    return [Requirement(text) for text in PathDistribution(metadata).requires or []]


def reached_from(
    declared: list[Requirement], needs: Callable[[Requirement], list[Requirement]]
) -> set[str]:
    """Return the names of these, of what they need, and so on."""
    seen, waiting = set[Requirement](), list(declared)
    while waiting:
        requirement = waiting.pop()
        if requirement not in seen:
            seen.add(requirement)
            waiting += needs(requirement)
    return {canonicalize_name(requirement.name) for requirement in seen}


def needed_by(requirement: Requirement) -> list[Requirement]:
    """Return what an installer installs for it."""
    needed = map(Requirement, distribution(requirement.name).requires or [])
    return [
        one for one in needed if any(applies(one, extra) for extra in {"", *requirement.extras})
    ]


def needed_by_extras(requirement: Requirement) -> list[Requirement]:
    """Return what its extras add to it: boto3[crt] means awscrt."""
    return [one for one in needed_by(requirement) if not applies(one, extra="")]


def applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def imported_at_run_time(node: ast.AST) -> Iterator[str]:
    """Yield the top-level packages that a module imports, in functions too."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Import):
        yield from (alias.name.partition(".")[0] for alias in node.names)
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module.partition(".")[0]
    for child in ast.iter_child_nodes(node):
        yield from imported_at_run_time(child)


def command_lines(command: click.Command, words: str = "") -> Iterator[str]:
    yield words
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from command_lines(child, f"{words} {name}".strip())


def run(installation: Path, folder: Path, *lines: str) -> str:
    """Run command lines from a folder that is empty, with a Python that knows no other packages."""
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", RUN_SCRIPT, str(installation), *lines],
        cwd=folder,
        env={"HOME": str(folder), "AWS_EC2_METADATA_DISABLED": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def test_two_packages_are_installed_with_their_data_and_no_other(wheel: Path) -> None:
    folders = {path.name for path in wheel.iterdir() if not path.is_symlink()}
    data = {
        path.relative_to(PROJECT / "functions")
        for path in (PROJECT / "functions" / "model_import").rglob("*.*")
        if path.suffix not in {".py", ".pyc"}
    }

    assert {name for name in folders if not name.endswith(".dist-info")} == PACKAGES
    assert {path.suffix for path in data} == {".css", ".jinja", ".json", ".toml"}
    assert [path for path in data if not (wheel / path).is_file()] == []


def test_every_import_is_of_a_declared_dependency(wheel: Path) -> None:
    distributions = packages_distributions()
    named = reached_from(declared_by(wheel), needed_by_extras)
    known = PACKAGES | sys.stdlib_module_names
    undeclared = {
        (package, str(module.relative_to(wheel)))
        for folder in PACKAGES
        for module in (wheel / folder).rglob("*.py")
        for package in imported_at_run_time(ast.parse(module.read_text(encoding="utf-8")))
        if package not in known
        and named.isdisjoint(map(canonicalize_name, distributions.get(package, ())))
    }

    assert undeclared == set()


def test_every_command_shows_its_help(installation: Path, tmp_path: Path) -> None:
    lines = list(command_lines(main))

    shown = run(installation, tmp_path, "--version", *(f"{line} --help" for line in lines))

    assert "model-import, version " in shown
    assert shown.count("Usage: ") == len(lines)
    for line in lines:
        assert f"Usage: model-import {line}".strip() in shown


def test_a_repository_in_a_folder_is_checked(installation: Path, tmp_path: Path) -> None:
    report = json.loads(run(installation, tmp_path, f"check {SHIPPED} --hub {SHIPPED_HUB} --json"))

    assert report["importable"] is True
    assert [finding["code"] for finding in report["findings"]] == ["ACCOUNT_NOT_CHECKED"]
    assert report["plan"]["architecture"] == "LlamaForCausalLM"
