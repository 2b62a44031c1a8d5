"""How much of a large repository preflight reads, and with how many requests."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from support.checkpoints.published_models import published_models
from support.fakes.fake_repository import FakeReaders, snapshot_of

from benchmarks.llama_70b_hub import REPO_ID, llama_70b_hub
from model_import.preflight.judge import judge
from model_import.sources.hub.files import HubFiles
from model_import.sources.hub.snapshot import read_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from model_import.preflight.verdict import Verdict
    from model_import_cli.folder_hub.http import LoggedRequest

SHARDS = 30


@pytest.fixture(scope="module")
def judged(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Verdict, tuple[LoggedRequest, ...]]]:
    folder: Path = tmp_path_factory.mktemp("llama-70b")
    with llama_70b_hub(folder) as hub:
        snapshot = read_snapshot(hub.endpoint, REPO_ID, "main", token=None)
        with contextlib.closing(HubFiles(snapshot.source, None)) as files:
            yield judge(snapshot, files, "us-east-1"), hub.requests


def test_a_70b_model_of_30_shards_is_importable_by_its_headers(
    judged: tuple[Verdict, tuple[LoggedRequest, ...]],
) -> None:
    verdict, _ = judged

    assert verdict.importable, verdict.findings
    assert verdict.figures.parameters == 70_553_706_496
    assert verdict.figures.weights_files == SHARDS


def test_less_than_8_mb_of_it_are_read(
    judged: tuple[Verdict, tuple[LoggedRequest, ...]],
) -> None:
    _, requests = judged

    assert sum(request.body_bytes for request in requests) < 8_000_000


def test_each_shard_takes_three_requests_and_none_reaches_its_weights(
    judged: tuple[Verdict, tuple[LoggedRequest, ...]],
) -> None:
    _, requests = judged
    of_shards = [request for request in requests if request.path.endswith(".safetensors")]
    read = [request.body_bytes for request in of_shards if request.range_header]

    assert len(of_shards) == 3 * SHARDS
    assert len(read) == 2 * SHARDS
    assert sum(read) < 200_000


def test_no_location_is_asked_for_twice(
    judged: tuple[Verdict, tuple[LoggedRequest, ...]],
) -> None:
    _, requests = judged
    heads = [request.path for request in requests if request.method == "HEAD"]

    assert len(heads) == len(set(heads))


def test_vocabularies_that_no_rule_looks_into_are_not_read() -> None:
    model = published_models()["Qwen/Qwen3-8B"]
    unread = {"vocab.json": b"{}", "merges.txt": b"#", "tokenizer.model": b"\n"}
    files = model.files() | unread
    readers = FakeReaders(files)

    assert judge(snapshot_of(files), readers, "us-east-1").importable
    read = {path for path, _, _ in readers.reads}
    assert not read & unread.keys()
    assert read >= {"config.json", "tokenizer.json", "tokenizer_config.json"}
