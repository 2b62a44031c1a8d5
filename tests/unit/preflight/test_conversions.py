"""An open pull request that has the weights as safetensors, where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from huggingface_hub import get_session
from support.servers.scripted_server import Answer, scripted_server

from model_import.manifest import Source
from model_import.preflight.conversions import Conversion, find_conversion
from model_import_cli.folder_hub.faults import Fault
from model_import_cli.folder_hub.repositories import PullRequest, Repository
from model_import_cli.folder_hub.server import LocalHub

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

REPO_ID = "acme/pickled"
BY_BOT = PullRequest()
BY_SOMEBODY = PullRequest("Add safetensors", "somebody")


def folder(path: Path, *names: str) -> Path:
    path.mkdir(parents=True)
    for name in names:
        (path / name).write_bytes(b"{}")
    return path


@pytest.fixture
def pickled(tmp_path: Path) -> Path:
    return folder(tmp_path / "main", "pytorch_model.bin")


@pytest.fixture
def converted(tmp_path: Path) -> Path:
    return folder(tmp_path / "converted", "pytorch_model.bin", "model.safetensors")


def found_among(
    main: Path, refs: Mapping[int, Path], said: Mapping[int, PullRequest]
) -> tuple[Conversion | None, int]:
    """Return what is found, and how many requests it took."""
    repository = Repository(
        REPO_ID,
        main,
        refs={f"refs/pr/{number}": path for number, path in refs.items()},
        pull_requests={f"refs/pr/{number}": request for number, request in said.items()},
    )
    with LocalHub([repository]) as hub:
        found = find_conversion(Source(hub.endpoint, REPO_ID, "0" * 40), token=None)
        return found, len(hub.requests)


def test_the_converters_pull_request_comes_before_a_newer_one_of_somebody(
    pickled: Path, converted: Path
) -> None:
    refs = {1: converted, 2: converted}
    found, _ = found_among(pickled, refs, {1: BY_BOT, 2: BY_SOMEBODY})
    assert found == Conversion("refs/pr/1", "SFconvertbot")


def test_a_conversion_of_somebody_is_found_with_their_name(pickled: Path, converted: Path) -> None:
    found, _ = found_among(pickled, {4: converted}, {4: BY_SOMEBODY})
    assert found == Conversion("refs/pr/4", "somebody")


def test_shards_with_an_index_are_a_conversion_too(pickled: Path, tmp_path: Path) -> None:
    sharded = folder(tmp_path / "sharded", "model.safetensors.index.json")
    found, _ = found_among(pickled, {1: sharded}, {})
    assert found == Conversion("refs/pr/1", "SFconvertbot")


@pytest.mark.parametrize("status", ["closed", "merged"])
def test_a_pull_request_that_is_not_open_is_none(
    pickled: Path, converted: Path, status: str
) -> None:
    said = {1: PullRequest(status="closed" if status == "closed" else "merged")}
    assert found_among(pickled, {1: converted}, said)[0] is None


def test_the_clients_of_others_keep_their_time_limit(pickled: Path, converted: Path) -> None:
    before = get_session().timeout
    assert found_among(pickled, {1: converted}, {})[0] is not None
    assert get_session().timeout == before


def test_what_only_says_so_has_to_have_the_file(pickled: Path) -> None:
    assert found_among(pickled, {1: pickled}, {})[0] is None


def test_a_pull_request_about_something_else_is_not_read(pickled: Path, converted: Path) -> None:
    said = {1: PullRequest("Fix a typo", "somebody")}
    assert found_among(pickled, {1: converted}, said) == (None, 1)


def test_a_repository_with_many_pull_requests_takes_few_requests(pickled: Path) -> None:
    refs = dict.fromkeys(range(1, 200), pickled)
    found, requests = found_among(pickled, refs, {})
    assert found is None
    assert requests == 4


@pytest.mark.parametrize(
    "fault", [Fault("status", match="GET /api", status=403), Fault("drop", match="GET /api")]
)
def test_a_fault_of_the_hub_is_no_conversion(pickled: Path, converted: Path, fault: Fault) -> None:
    with LocalHub([Repository(REPO_ID, pickled, refs={"refs/pr/1": converted})]) as hub:
        hub.faults.add(fault)
        assert find_conversion(Source(hub.endpoint, REPO_ID, "0" * 40), token=None) is None


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"count": 1, "start": 0}', b"<html>"])
def test_an_answer_that_is_no_list_is_no_conversion(body: bytes) -> None:
    with scripted_server(Answer(body=body)) as server:
        assert find_conversion(Source(server.url, REPO_ID, "0" * 40), token=None) is None
