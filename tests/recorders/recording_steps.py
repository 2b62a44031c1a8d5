"""The steps of a recording of how two versions of transformers read the same files.

One version writes the files, this project stages them, and the other version reads both. The
versions do not fit into one environment, so each step has its own environment, and adds to the
recording of the previous step.
"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    type Cases = dict[str, Any]

DATA: Final = Path(__file__).parents[1] / "unit" / "data"


def record(
    name: str,
    *,
    write: Callable[[], Cases],
    normalise: Callable[[Cases], None],
    read: Callable[[Cases], None],
) -> None:
    """Run the step that the command line names, on the data file of this name."""
    recording = DATA / name
    step = sys.argv[1]
    if step == "write":
        cases = write()
    else:
        cases = json.loads(recording.read_text(encoding="utf-8"))
        {"normalise": normalise, "read": read}[step](cases)
    text = json.dumps(cases, indent=1, ensure_ascii=False)
    recording.write_text(text + "\n", encoding="utf-8")


def staged(files: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON files as this project stages them."""
    written = {name: json.dumps(content).encode() for name, content in files.items()}
    normalised = import_module("model_import.normalisation").normalise(written).files
    return {name: json.loads(content) for name, content in normalised.items()}


@contextmanager
def folder_of(files: Mapping[str, Any]) -> Iterator[str]:
    """Yield a folder with these JSON files, for transformers to load."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_text(json.dumps(content), encoding="utf-8")
        yield folder


def saved(pretrained: Any, names: tuple[str, ...]) -> dict[str, Any]:  # noqa: ANN401 of transformers
    """Return the JSON files with these names that transformers saves."""
    with tempfile.TemporaryDirectory() as folder:
        pretrained.save_pretrained(folder)
        paths = [Path(folder) / name for name in names]
        return {
            path.name: json.loads(path.read_text(encoding="utf-8"))
            for path in paths
            if path.exists()
        }
