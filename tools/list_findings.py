"""Writes the page docs/findings.md from the catalogue of findings."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

from model_import.findings.catalogue import CatalogueEntry, Subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PAGE: Final = Path(__file__).parent.parent / "docs" / "findings.md"
TITLE: Final = """\
# Findings

All findings of preflight. `make generate` writes this page from
[the catalogue in the code](../functions/model_import/findings/catalogue.py).

An `error` refuses the repository. A `warning` does not. A `normalised` value is corrected in the
staged copy. A finding also names the file or tensor, what was found there and what is accepted. If
it has a more specific remedy, it gives that instead of the one below.
"""


def page(entries: Iterable[CatalogueEntry]) -> str:
    """Return the page: a section per subject, a row per code, errors first."""
    order = list(Subject)
    ordered = sorted(entries, key=lambda entry: (order.index(entry.subject), entry.severity))
    sections = groupby(ordered, key=lambda entry: entry.subject)
    return "\n".join([TITLE, *(line for section in sections for line in _section(*section))])


def _section(subject: Subject, entries: Iterable[CatalogueEntry]) -> Iterator[str]:
    yield f"## {subject}\n"
    yield "| Code | Severity | Cause | Remedy |"
    yield "| --- | --- | --- | --- |"
    for entry in entries:
        yield f"| `{entry.code}` | {entry.severity} | {entry.cause} | {entry.remedy} |"
    yield ""
