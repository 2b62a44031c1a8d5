"""The version of transformers that Bedrock names is stated in the rules, and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from model_import.bedrock.transformers_version import TRANSFORMERS_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[3]
RULES: Final = ROOT / "functions" / "model_import" / "bedrock" / "rules.toml"
CODE: Final = (
    "benchmarks",
    "functions",
    "local",
    "model_import_cli",
    "statemachine",
    "tests",
    "tools",
)
RECORDED: Final = ROOT / "tests" / "unit" / "data"
SCRIPT_HEADER: Final = re.compile(r"^# /// script\n(?:#.*\n)*?# ///\n", re.MULTILINE)
MINOR: Final = TRANSFORMERS_VERSION.rpartition(".")[0]


def sources() -> Iterator[Path]:
    """Yield what people write by hand; what is recorded names the version that it is of."""
    yield from (path for path in ROOT.iterdir() if path.name in ("Makefile", "template.yaml"))
    for folder in CODE:
        for path in (ROOT / folder).rglob("*"):
            is_code = path.suffix in (".py", ".toml", ".yaml") or path.name == "Makefile"
            if is_code and not path.is_relative_to(RECORDED):
                yield path


def test_the_version_is_stated_once() -> None:
    stated = {
        path: count
        for path in sources()
        if (count := SCRIPT_HEADER.sub("", path.read_text(encoding="utf-8")).count(MINOR))
    }

    assert stated == {RULES: 1}


def test_scripts_that_cannot_import_the_version_require_the_same() -> None:
    headers = [header for path in sources() for header in SCRIPT_HEADER.findall(path.read_text())]
    required = [
        found for header in headers for found in re.findall("transformers==([0-9.]+)", header)
    ]

    assert required == [TRANSFORMERS_VERSION] * 3
