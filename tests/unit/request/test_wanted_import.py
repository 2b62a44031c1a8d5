"""When two imports are the same import, and what they are called."""

from __future__ import annotations

from dataclasses import replace

import pytest

from model_import.bedrock.account import ImportedModel
from model_import.manifest import Source
from model_import.request.input import ImportRequest
from model_import.request.wanted_import import WantedImport

COMMIT = "5c4a6b8f2f0d1e9b7a3c4d5e6f708192a3b4c5d6"
WANTED = WantedImport("acme/tiny", COMMIT, normalise=True, model_name="tiny", name_given=False)


def model(name: str = "tiny", **changes: str) -> ImportedModel:
    tags = WANTED.tags | {f"huggingface-{key}": value for key, value in changes.items()}
    return ImportedModel(name, f"arn:{name}", tags | {"team": "nlp"})


def test_a_request_without_a_name_wants_a_derived_one() -> None:
    source = Source("https://hub", "acme/tiny", COMMIT)
    derived = WantedImport.of(ImportRequest.from_input({"repo_id": "acme/tiny"}), source)
    named = WantedImport.of(
        ImportRequest.from_input({"repo_id": "acme/tiny", "model_name": "mine"}), source
    )
    as_is = WantedImport.of(
        ImportRequest.from_input({"repo_id": "acme/tiny", "normalise": False}), source
    )

    assert (derived.model_name, derived.name_given) == ("acme-tiny-5c4a6b8f", False)
    assert (named.model_name, named.name_given) == ("mine", True)
    assert as_is.model_name == "acme-tiny-5c4a6b8f-as-is"


def test_it_is_known_again_by_its_tags_among_others() -> None:
    assert WANTED.find([model("other", commit="0" * 40), model()]) == model()
    assert WANTED.find([]) is None


@pytest.mark.parametrize(
    "changes", [{"repository": "acme/huge"}, {"commit": "0" * 40}, {"copy": "as-is"}]
)
def test_another_source_or_copy_is_another_import(changes: dict[str, str]) -> None:
    assert WANTED.find([model(**changes)]) is None


def test_without_a_name_of_the_askers_own_any_name_will_do() -> None:
    assert WANTED.find([model("mine")]) == model("mine")
    assert WANTED.find([model("mine"), model("tiny")]) == model("tiny")


def test_a_given_name_must_be_the_models() -> None:
    wanted = replace(WANTED, name_given=True)

    assert wanted.find([model("mine")]) is None
    assert wanted.find([model("mine"), model("tiny")]) == model("tiny")


@pytest.mark.parametrize(
    "changes",
    [
        {"repo_id": "acme/huge"},
        {"commit": "0" * 40},
        {"normalise": False},
        {"model_name": "mine"},
    ],
)
def test_job_names_of_different_imports_differ_and_attempts_share_a_key(
    changes: dict[str, object],
) -> None:
    other = replace(WANTED, **changes)  # type: ignore[arg-type]

    assert other.key != WANTED.key
    assert WANTED.job_name(1) != other.job_name(1)
    assert WANTED.job_name(1) != WANTED.job_name(2)
    assert all(WANTED.key in WANTED.job_name(attempt) for attempt in (1, 2))
