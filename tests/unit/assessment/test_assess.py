"""What is known of an import before it begins: by the Hub, by the account and by the forecast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from support.fakes.fake_repository import FakeFile, llama_files

from model_import.assessment.assess import Assessment, assess
from model_import.errors import RepositoryGatedError
from model_import.findings.finding import Finding
from model_import.preflight.licence import LicenceRules
from model_import.request.input import ImportRequest
from model_import.sources.hub.snapshot import read_snapshot
from model_import_cli.folder_hub.repositories import Repository
from model_import_cli.folder_hub.server import LocalHub

if TYPE_CHECKING:
    from pathlib import Path

    from support.fakes.fake_repository import Files

    from model_import.request.wanted_import import WantedImport

REPO_ID: Final = "acme/tiny-llama"
ROPE: Final = {"rope_theta": 500000.0, "rope_type": "default"}
"""Transformers 5 writes it so; the copy is corrected."""


def write(folder: Path, files: Files) -> Path:
    folder.mkdir()
    for path, file in files.items():
        content = file.content.ljust(file.size_bytes, b"\0") if isinstance(file, FakeFile) else file
        (folder / path).write_bytes(content)
    return folder


@pytest.fixture
def healthy(tmp_path: Path) -> Repository:
    return Repository(REPO_ID, write(tmp_path / "main", llama_files()))


def assess_on_hub(
    repository: Repository,
    *,
    licences: LicenceRules = LicenceRules(),  # noqa: B008 – it is frozen
    fields: dict[str, object] | None = None,
    **options: Any,  # noqa: ANN401 – as `assess` takes them
) -> Assessment:
    """Assess a request with these further fields."""
    request = ImportRequest.from_input({"repo_id": REPO_ID} | (fields or {}))
    with LocalHub([repository]) as hub:
        snapshot = read_snapshot(hub.endpoint, REPO_ID, request.revision, token=None)
        return assess(
            request,
            snapshot,
            "us-east-1",
            hub_token=None,
            hub_ca_bundle=None,
            licences=licences,
            **options,
        )


def codes(assessment: Assessment) -> list[str]:
    return [finding.code for finding in assessment.verdict.findings]


def test_a_healthy_repository_has_a_plan_and_no_refusal(healthy: Repository) -> None:
    assessment = assess_on_hub(healthy, fields={"tags": {"team": "nlp"}})
    plan = assessment.plan

    assert codes(assessment) == ["LICENCE_UNKNOWN"]  # a warning: there is no README.md
    assert assessment.refusal is None
    assert (plan.wanted.repo_id, plan.revision) == (REPO_ID, "main")
    assert plan.tags == {"team": "nlp"} | plan.wanted.tags
    assert plan.figures == assessment.verdict.figures
    assert plan.figures.parameters == 196
    assert plan.forecast.transfer_bytes.at_least == plan.figures.weights_bytes


def test_the_account_is_asked_about_the_import_that_is_planned(healthy: Repository) -> None:
    asked: list[WantedImport] = []

    def check_account(wanted: WantedImport) -> list[Finding]:
        asked.append(wanted)
        return []

    plan = assess_on_hub(healthy, fields={"model_name": "mine"}, check_account=check_account).plan

    assert asked == [plan.wanted]
    assert (plan.wanted.model_name, plan.wanted.name_given) == ("mine", True)


def test_what_the_account_has_against_it_refuses_it_and_comes_before_warnings(
    healthy: Repository,
) -> None:
    taken = Finding.of("MODEL_NAME_TAKEN", "model_name mine", found="Taken", accepted="Another.")

    assessment = assess_on_hub(healthy, check_account=lambda _: [taken])

    assert codes(assessment) == ["MODEL_NAME_TAKEN", "LICENCE_UNKNOWN"]
    commit = assessment.plan.wanted.commit
    assert assessment.refusal == assessment.verdict.refusal(REPO_ID, commit)
    assert "MODEL_NAME_TAKEN" in assessment.refusal


@pytest.mark.parametrize(
    ("normalise", "code"), [(True, "NORMALISED"), (False, "NEEDS_NORMALISING")]
)
def test_the_copy_that_is_asked_for_is_judged(
    tmp_path: Path, *, normalise: bool, code: str
) -> None:
    files = llama_files(rope_parameters=ROPE)

    assessment = assess_on_hub(
        Repository(REPO_ID, write(tmp_path / "main", files)), fields={"normalise": normalise}
    )

    assert code in codes(assessment)
    assert assessment.plan.wanted.normalise == normalise


def test_a_licence_that_is_not_allowed_refuses_it(healthy: Repository) -> None:
    assessment = assess_on_hub(healthy, licences=LicenceRules.of(["mit"], []))

    assert codes(assessment) == ["LICENCE_NOT_ALLOWED"]
    assert assessment.refusal is not None


def test_a_conversion_of_pickled_weights_is_found_on_the_same_hub(tmp_path: Path) -> None:
    pickled = {path: file for path, file in llama_files().items() if "safetensors" not in path}
    main = write(tmp_path / "main", pickled | {"pytorch_model.bin": b"\x80\x02"})
    converted = write(tmp_path / "converted", llama_files())

    assessment = assess_on_hub(Repository(REPO_ID, main, refs={"refs/pr/7": converted}))

    assert assessment.refusal is not None
    assert '"revision": "refs/pr/7"' in assessment.refusal


def test_a_forecast_has_the_throughput_that_is_given(healthy: Repository) -> None:
    seconds = assess_on_hub(healthy, megabytes_per_second=125).plan.forecast.transfer_seconds

    assert seconds.source == "125 MB/s (as configured)"


def test_a_repository_that_hands_out_no_file_is_not_assessed(healthy: Repository) -> None:
    gated = Repository(REPO_ID, healthy.directory, gated="manual")

    with pytest.raises(RepositoryGatedError):
        assess_on_hub(gated)
