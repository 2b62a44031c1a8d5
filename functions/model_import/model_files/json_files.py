"""JSON out of a repository: a value, or nothing for what no reader of it would take."""

from __future__ import annotations

import json
from typing import Any, Final

_LEVELS_AT_MOST: Final = 16
"""Published files have five. Indented, each level adds to every line below it."""


def parse_json(content: bytes) -> object:
    """Return the value in a file, or None when it is no JSON, or nested too deep to be meant."""
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
