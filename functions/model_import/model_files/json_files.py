"""Parses JSON from a repository, and rejects what is not a usable file."""

from __future__ import annotations

import json
from typing import Any, Final

_LEVELS_AT_MOST: Final = 16
"""Published files have five. When indented, each level makes every line within it longer."""


def parse_json(content: bytes) -> object:
    """Return the value in a file, or None if it is not JSON or is nested too deeply."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return value if _is_shallow(value) else None


def _is_shallow(value: object) -> bool:
    level = [value]
    for _ in range(_LEVELS_AT_MOST):
        level = [inner for outer in level for inner in _containers(outer)]
        if not level:
            return True
    return False


def _containers(value: object) -> list[Any]:
    match value:
        case dict():
            values = list(value.values())
        case list():
            values = value
        case _:
            return []
    return [inner for inner in values if isinstance(inner, dict | list)]
