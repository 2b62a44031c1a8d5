"""The domain reads no environment: who calls it passes in what it needs."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

import pytest

import model_import

DOMAIN: Final = Path(model_import.__file__).parent
NAMES: Final = frozenset({"environ", "environb", "getenv", "getenvb"})
EXCEPTIONS: Final = frozenset({"transport/pools.py"})


def reads_environment(source: str) -> bool:
    """Return whether code names the environment, as an attribute of `os` or taken from it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "os":
            named = {node.attr}
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            named = {alias.name for alias in node.names}
        else:
            continue
        if named & NAMES:
            return True
    return False


def test_no_module_of_the_domain_reads_the_environment() -> None:
    reading = {
        path.relative_to(DOMAIN).as_posix()
        for path in DOMAIN.rglob("*.py")
        if reads_environment(path.read_text(encoding="utf-8"))
    }

    assert reading <= EXCEPTIONS


@pytest.mark.parametrize(
    "source",
    [
        "import os\nregion = os.environ['AWS_REGION']",
        "import os\nregion = os.getenv('AWS_REGION')",
        "from os import environ",
    ],
)
def test_each_way_to_read_the_environment_is_seen(source: str) -> None:
    assert reads_environment(source)
