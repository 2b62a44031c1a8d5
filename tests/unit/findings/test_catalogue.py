"""The catalogue has every code that preflight uses, and docs/findings.md every one of those."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from model_import import model_files, preflight
from model_import.findings import catalogue
from model_import.findings.catalogue import CATALOGUE, CatalogueEntry, Subject
from model_import.findings.finding import Finding
from tools.list_findings import PAGE, page

_CODE = re.compile(r"[A-Z]{2,}[A-Z_]{4,}")


def _codes_in_use() -> set[str]:
    return {
        node.value
        for room in (model_files, preflight)
        for module in Path(room.__path__[0]).rglob("*.py")
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and _CODE.fullmatch(node.value)
    }


def test_the_catalogue_has_every_code_in_use_and_no_other() -> None:
    assert _codes_in_use() == set(CATALOGUE)


def test_a_code_that_is_not_in_the_catalogue_makes_no_finding() -> None:
    with pytest.raises(KeyError, match="NO_SUCH_CODE"):
        Finding.of("NO_SUCH_CODE", "config.json", found="", accepted="")


def test_a_code_stands_in_the_catalogue_once() -> None:
    assert len(CATALOGUE) == len(catalogue._ENTRIES)


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE)
def test_an_entry_says_cause_and_remedy_in_sentences(entry: CatalogueEntry) -> None:
    assert _CODE.fullmatch(entry.code)
    assert entry.cause.endswith(".")
    assert entry.remedy.endswith(".")
    assert "|" not in entry.cause + entry.remedy


def test_a_finding_has_the_severity_and_the_remedy_of_its_code_unless_it_knows_a_narrower_one() -> (
    None
):
    entry = CATALOGUE["CUSTOM_CODE"]

    general = Finding.of(entry.code, "config.json", found="", accepted="")
    narrow = Finding.of(entry.code, "config.json", found="", accepted="", remedy="Do this.")

    assert (general.severity, general.remedy) == ("warning", entry.remedy)
    assert (narrow.severity, narrow.remedy) == ("warning", "Do this.")


def test_the_page_in_the_repository_is_the_one_that_the_command_writes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(CATALOGUE.values()), "run: make generate"


def test_the_page_has_a_row_for_every_code_under_its_subject() -> None:
    sections = page(CATALOGUE.values()).split("\n## ")[1:]
    by_subject = {section.splitlines()[0]: section for section in sections}

    assert list(by_subject) == list(Subject)
    for entry in CATALOGUE.values():
        row = f"| `{entry.code}` | {entry.severity} | {entry.cause} | {entry.remedy} |"
        assert row in by_subject[entry.subject]
