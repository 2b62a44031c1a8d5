"""The verdict on well-known models, by what they publish: configuration and headers as recorded."""

from __future__ import annotations

import pytest
from support.checkpoints.published_models import PublishedModel, published_models
from support.fakes.fake_repository import FakeReaders, snapshot_of

from model_import.model_files.names import SINGLE
from model_import.preflight.judge import judge

REGION = "us-east-1"  # every family is imported there
MODELS = published_models()


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_published_model_gets_the_verdict_that_it_deserves(model: PublishedModel) -> None:
    files = model.files()

    verdict = judge(snapshot_of(files), FakeReaders(files), REGION)

    found = {finding.code for finding in verdict.findings}
    errors = sorted({f.code for f in verdict.findings if f.severity == "error"})
    assert errors == model.errors(), "\n".join(map(str, verdict.findings))
    assert model.warnings() <= found
    assert verdict.importable == (not errors)


@pytest.mark.parametrize(
    "model", [model for model in MODELS.values() if "bytes" in model.given], ids=lambda m: m.repo_id
)
def test_the_recorded_shapes_add_up_to_the_bytes_in_the_published_index(
    model: PublishedModel,
) -> None:
    assert model.tensor_bytes == model.given["bytes"]


@pytest.mark.parametrize(
    "model",
    [model for model in MODELS.values() if "single_file_bytes" in model.given],
    ids=lambda m: m.repo_id,
)
def test_a_single_file_has_its_published_size_and_room_for_no_more_than_a_header(
    model: PublishedModel,
) -> None:
    (listed,) = (file for file in snapshot_of(model.files()).files if file.path == SINGLE)

    assert listed.size_bytes == model.given["single_file_bytes"]
    assert 80 < (listed.size_bytes - model.tensor_bytes) / len(model.tensors) < 130


def test_every_figure_says_where_it_comes_from() -> None:
    for model in MODELS.values():
        assert model.given["source"]
        stated = model.given.keys() & {"bytes", "single_file_bytes"}
        assert ("bytes_source" in model.given) == bool(stated), model.repo_id
