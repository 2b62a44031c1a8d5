"""Edits JSON files and records each change."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from model_import.findings.finding import legible
from model_import.model_files.json_files import parse_json

if TYPE_CHECKING:
    from collections.abc import Callable

type JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """A difference between the staged copy and the repository.

    `field` is a dotted path, or None for the whole file. `before` and `after` are JSON values: None
    if there is no value, and shortened to text if they are long. `matters` is true if the model
    would fail or compute something else without the change, and false if Bedrock might only read
    the value differently.
    """

    file: str
    field: str | None
    before: Any
    after: Any
    why: str
    matters: bool = True


@dataclass(slots=True)
class Document:
    """A JSON object that is being edited; keys keep their order."""

    file: str
    root: JsonObject
    changes: list[Change] = field(default_factory=list)

    def put(self, key: str, value: Any, why: str, *, matters: bool = True) -> None:  # noqa: ANN401 any JSON value
        """Set a key of the object."""
        self._record(key, self.root.get(key), value, why, matters=matters)
        self.root[key] = value

    def replace(
        self,
        key: str,
        by: JsonObject,
        why: str,
        *,
        within: str | None = None,
        matters: bool = True,
    ) -> None:
        """Replace `key` with other keys, in the object or in an object `within` it."""
        section = self.root if within is None else self.root[within]
        name = key if within is None else f"{within}.{key}"
        self._record(name, section[key], by, why, matters=matters)
        items = list(section.items())
        section.clear()
        for name, value in items:
            if name == key:
                section.update(by)
            else:
                section[name] = by.get(name, value)

    def _record(self, name: str, before: Any, after: Any, why: str, *, matters: bool) -> None:  # noqa: ANN401 any JSON value
        change = Change(self.file, name, _shorten(before), _shorten(after), why, matters)
        self.changes.append(change)


@dataclass(slots=True)
class StagedCopy:
    """The small files by name with the edits so far, and the changes."""

    files: dict[str, bytes]
    changes: list[Change] = field(default_factory=list)

    def read(self, file: str) -> JsonObject | None:
        """Return the JSON object in a file, or None if the file has none."""
        value = parse_json(self.files.get(file, b""))
        return value if isinstance(value, dict) else None

    def edit(self, file: str, *edits: Callable[[Document], None]) -> bool:
        """Apply the edits to a file; return False if it is not a JSON object."""
        root = self.read(file)
        if root is None:
            return False
        document = Document(file, root)
        for edit in edits:
            edit(document)
        if document.changes:
            self.files[file] = _to_bytes(document.root)
            self.changes += document.changes
        return True

    def create(self, file: str, root: JsonObject, why: str) -> None:
        """Add a file that the repository does not have."""
        self.files[file] = _to_bytes(root)
        self.changes.append(Change(file, None, None, _shorten(root), why))

    def drop(self, file: str, why: str) -> None:
        """Leave out a file whose content is elsewhere in the copy."""
        before = _shorten(self.files.pop(file).decode(errors="backslashreplace"))
        self.changes.append(Change(file, None, before, None, why, matters=False))


def _to_bytes(root: JsonObject) -> bytes:
    try:
        return f"{json.dumps(root, indent=2, ensure_ascii=False)}\n".encode()
    except UnicodeEncodeError:
        # JSON can hold half a surrogate pair, UTF-8 cannot.
        return f"{json.dumps(root, indent=2)}\n".encode()


def _shorten(value: Any) -> Any:  # noqa: ANN401 any JSON value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    head = legible(text)
    return value if head == text else head
