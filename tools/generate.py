"""Writes every generated file of the repository, or lists the stale ones.

`make generate` writes them; `make lint` fails when one is stale.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.plot import draw_scene
from benchmarks.results import Result
from benchmarks.tables import fill_places
from model_import.findings.catalogue import CATALOGUE
from tools import draw_architecture, draw_state_machine, list_findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT: Final = Path(__file__).parent.parent
_BENCHMARKS: Final = ROOT / "benchmarks" / "results"
_TRANSFER: Final = ROOT / "docs" / "transfer.md"
_EXPORT: Final = ("export", "--frozen", "--quiet", "--no-annotate", "--no-header", "--only-group")
_REQUIREMENTS: Final = {
    # huggingface-hub requires hf-xet, 11 MB that only downloads to disk use.
    "functions/requirements.txt": ("functions", "--no-hashes", "--no-emit-package", "hf-xet"),
    "functions/transfer_model/requirements.txt": ("transfer",),
}


def generated_files() -> Iterator[tuple[Path, Callable[[], str]]]:
    """Yield each generated file and the function that returns its text."""
    yield list_findings.PAGE, lambda: list_findings.page(CATALOGUE.values())
    for definition, picture in draw_state_machine.PICTURES.items():
        yield picture, partial(draw_state_machine.picture, definition)
    yield draw_architecture.PICTURE, draw_architecture.picture
    for name, options in _REQUIREMENTS.items():
        yield ROOT / name, partial(_requirements, options)
    for result in sorted(_BENCHMARKS.glob("*.json")):
        yield result.with_suffix(".svg"), partial(_plot, result)
    yield _TRANSFER, lambda: fill_places(_TRANSFER.read_text(encoding="utf-8"), _BENCHMARKS)


def _requirements(options: tuple[str, ...]) -> str:
    # `uv run` sets UV to its own path.
    command = [os.environ.get("UV", "uv"), *_EXPORT, *options]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout  # noqa: S603


def _plot(result: Path) -> str:
    return draw_scene(Result.read(result))


def stale_files() -> Iterator[tuple[Path, str]]:
    """Yield each file that is missing or differs, with its correct text."""
    for path, generate in generated_files():
        text = generate()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            yield path, text


def main() -> None:
    """Write the stale files, or with --check list them."""
    parser = argparse.ArgumentParser(description="Write every generated file.")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if one is stale"
    )
    check = parser.parse_args().check
    stale = list(stale_files())
    for path, text in stale:
        sys.stdout.write(f"{path.relative_to(ROOT)}{' is stale' if check else ''}\n")
        if not check:
            path.write_text(text, encoding="utf-8")
    if check and stale:
        sys.exit("Run: make generate")


if __name__ == "__main__":
    main()
