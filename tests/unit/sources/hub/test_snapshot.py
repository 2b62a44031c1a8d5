"""A revision resolved to a commit and its files, and what the Hub may say instead."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support.servers.scripted_server import Answer, scripted_server

from model_import.errors import (
    HubAccessRefusedError,
    HubUnavailableError,
    RepositoryDisabledError,
    RepositoryGatedError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from model_import.manifest import RepositoryFile, Source
from model_import.sources.hub.files import HubFiles
from model_import.sources.hub.model_card import Licence
from model_import.sources.hub.snapshot import Snapshot, read_snapshot
from model_import_cli.folder_hub.faults import Fault
from model_import_cli.folder_hub.repositories import Repository, read_snapshot as read_folder
from model_import_cli.folder_hub.server import LocalHub

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REPO_ID = "acme/tiny-llama"
GATED_ID = "acme/gated-llama"
PRIVATE_ID = "acme/private-llama"
TOKEN = "hf_made_up_token"
OTHER_TOKEN = "hf_made_up_token_of_somebody_else"
CONFIG = b'{"model_type": "llama"}'
WEIGHTS = b"the weights"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_bytes(CONFIG)
    (tmp_path / "model.safetensors").write_bytes(WEIGHTS)
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "original").mkdir()
    (tmp_path / "original" / "params.json").write_bytes(b"{}")
    return tmp_path


@pytest.fixture
def hub(folder: Path) -> Iterator[LocalHub]:
    old = folder / "original"
    allowed = frozenset({TOKEN})
    repositories = [
        Repository(REPO_ID, folder, refs={"refs/tags/v1": old, "refs/pr/1": old}),
        Repository(GATED_ID, folder, gated="manual", allowed_tokens=allowed),
        Repository(PRIVATE_ID, folder, private=True, allowed_tokens=allowed),
    ]
    with LocalHub(repositories, tokens=[OTHER_TOKEN]) as local_hub:
        yield local_hub


def git_blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def test_a_snapshot_has_the_commit_and_every_file_with_its_hashes(
    hub: LocalHub, folder: Path
) -> None:
    snapshot = read_snapshot(hub.endpoint, REPO_ID, "main", token=None)
    commit = read_folder(folder).commit
    assert snapshot.source == Source(hub.endpoint, REPO_ID, commit)
    assert snapshot.revision == "main"
    assert {file.path for file in snapshot.files} == {
        "config.json",
        "empty.txt",
        "model.safetensors",
        "original/params.json",
    }
    assert snapshot.file("config.json") == RepositoryFile(
        "config.json", len(CONFIG), git_blob_id(CONFIG), None
    )
    weights = snapshot.file("model.safetensors")
    assert weights is not None
    assert weights.size_bytes == len(WEIGHTS)
    assert weights.sha256 == hashlib.sha256(WEIGHTS).hexdigest()
    assert snapshot.file("empty.txt") == RepositoryFile("empty.txt", 0, git_blob_id(b""), None)
    assert snapshot.file("params.json") is None


@pytest.mark.parametrize("revision", ["v1", "refs/pr/1"])
def test_a_tag_and_a_pull_request_are_resolved_to_their_commit(
    hub: LocalHub, folder: Path, revision: str
) -> None:
    snapshot = read_snapshot(hub.endpoint, REPO_ID, revision, token=None)
    assert snapshot.source.commit == read_folder(folder / "original").commit
    assert snapshot.revision == revision
    assert [file.path for file in snapshot.files] == ["params.json"]


@pytest.mark.parametrize("characters", [40, 7])
def test_a_commit_whole_or_short_is_resolved_to_the_whole_one(
    hub: LocalHub, folder: Path, characters: int
) -> None:
    commit = read_folder(folder).commit
    snapshot = read_snapshot(hub.endpoint, REPO_ID, commit[:characters], token=None)
    assert snapshot.source.commit == commit


def test_the_hub_is_asked_once_and_without_a_token_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_TOKEN", OTHER_TOKEN)
    answer = {"id": REPO_ID, "sha": "5c4a6b8f", "siblings": []}
    with scripted_server(Answer(body=json.dumps(answer).encode())) as server:
        read_snapshot(server.url, REPO_ID, "main", token=None)
        (request,) = server.requests
    assert "authorization" not in request.headers


def test_the_token_is_sent_where_there_is_one() -> None:
    answer = {"id": REPO_ID, "sha": "5c4a6b8f", "siblings": []}
    with scripted_server(Answer(body=json.dumps(answer).encode())) as server:
        read_snapshot(server.url, REPO_ID, "main", token=TOKEN)
        (request,) = server.requests
    assert request.headers["authorization"] == f"Bearer {TOKEN}"


def test_a_renamed_repository_is_known_by_its_present_name_from_then_on() -> None:
    answer = {"id": "acme/renamed", "sha": "5c4a6b8f", "siblings": []}
    with scripted_server(Answer(body=json.dumps(answer).encode())) as server:
        snapshot = read_snapshot(server.url, REPO_ID, "main", token=None)
    assert snapshot.source.repo_id == "acme/renamed"


def test_a_slash_at_the_end_of_the_endpoint_changes_nothing(hub: LocalHub) -> None:
    snapshot = read_snapshot(f"{hub.endpoint}/", REPO_ID, "main", token=None)
    assert snapshot == read_snapshot(hub.endpoint, REPO_ID, "main", token=None)


@pytest.mark.parametrize("token", [None, OTHER_TOKEN, TOKEN])
def test_a_gated_repository_lists_its_files_to_everybody(hub: LocalHub, token: str | None) -> None:
    assert read_snapshot(hub.endpoint, GATED_ID, "main", token=token).file("config.json")


@pytest.mark.parametrize(
    ("status", "token", "remedy"),
    [(401, None, "no Hub token is configured"), (403, TOKEN, "configured Hub token has no access")],
)
def test_a_repository_that_hides_even_its_list_is_gated(
    status: int, token: str | None, remedy: str
) -> None:
    with scripted_server(Answer(status, {"X-Error-Code": "GatedRepo"})) as server:
        with pytest.raises(RepositoryGatedError, match=remedy) as caught:
            read_snapshot(server.url, GATED_ID, "main", token=token)
        assert f"{server.url}/{GATED_ID}" in str(caught.value)


@pytest.mark.parametrize("repo_id", [PRIVATE_ID, "acme/missing", "nobody/tiny-llama"])
@pytest.mark.parametrize("token", [None, OTHER_TOKEN])
def test_a_private_repository_and_a_missing_one_are_not_told_apart(
    hub: LocalHub, repo_id: str, token: str | None
) -> None:
    who = "without a Hub token" if token is None else "with the configured Hub token"
    with pytest.raises(RepositoryNotFoundError, match=f"{repo_id!r} that is visible {who}"):
        read_snapshot(hub.endpoint, repo_id, "main", token=token)


def test_a_private_repository_is_read_with_a_token_that_may(hub: LocalHub) -> None:
    assert read_snapshot(hub.endpoint, PRIVATE_ID, "main", token=TOKEN).files


@pytest.mark.parametrize("revision", ["v2", "refs/pr/9", "f" * 40])
def test_a_revision_that_does_not_exist_is_named(hub: LocalHub, revision: str) -> None:
    with pytest.raises(RevisionNotFoundError, match=f"{REPO_ID!r} has no revision {revision!r}"):
        read_snapshot(hub.endpoint, REPO_ID, revision, token=None)


def answer_with(**fields: object) -> Answer:
    answer = {"id": REPO_ID, "sha": "5c4a6b8f", "siblings": [], **fields}
    return Answer(body=json.dumps(answer).encode())


def snapshot_with(**fields: object) -> Snapshot:
    """Return the snapshot that the Hub's answer with these fields gives."""
    with scripted_server(answer_with(**fields)) as server:
        return read_snapshot(server.url, REPO_ID, "main", token=None)


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ({"cardData": {"license": "MIT"}}, Licence(("mit",))),
        ({"cardData": {"license": ["mit", "apache-2.0"]}}, Licence(("mit", "apache-2.0"))),
        ({"tags": ["pytorch", "license:gemma"]}, Licence(("gemma",))),
        ({"cardData": {"license": "mit"}, "tags": ["license:gemma"]}, Licence(("mit",))),
        (
            {"cardData": {"license": "other", "license_name": "deepseek", "license_link": "L"}},
            Licence(("other",), "deepseek", "L"),
        ),
        ({}, Licence()),
        ({"cardData": {"license": "unknown"}}, Licence()),
        ({"cardData": {"license": 7}, "tags": 7}, Licence()),
        ({"cardData": {"license": [None, ""], "license_name": []}, "tags": [None]}, Licence()),
        ({"cardData": "mit", "tags": None}, Licence()),
    ],
)
def test_the_licence_is_that_of_the_card_or_of_the_tags(
    fields: dict[str, object], licence: Licence
) -> None:
    assert snapshot_with(**fields).card.licence == licence


def test_the_library_and_the_use_are_those_of_the_answer() -> None:
    card = snapshot_with(library_name="peft", pipeline_tag="text-generation").card
    assert (card.library, card.use) == ("peft", "text-generation")
    card = snapshot_with(library_name=7, pipeline_tag=["text-generation"]).card
    assert (card.library, card.use) == (None, None)


@pytest.mark.parametrize(
    ("status", "flagged"),
    [
        (None, ()),
        ("safe", ()),
        ({"scansDone": False}, ()),
        ({"filesWithIssues": None}, ()),
        ({"filesWithIssues": [7, {}, {"path": 7}]}, ()),
        ({"filesWithIssues": [{"path": "a.bin", "level": "caution"}]}, (("a.bin", "caution"),)),
        ({"filesWithIssues": [{"path": "a.bin"}]}, (("a.bin", "unsafe"),)),
    ],
)
def test_the_files_that_a_scan_found_something_in_are_kept(
    status: object, flagged: tuple[tuple[str, str], ...]
) -> None:
    found = snapshot_with(securityRepoStatus=status).flagged
    assert tuple((file.path, file.level) for file in found) == flagged


def test_a_disabled_repository_is_told_from_one_that_needs_a_token(folder: Path) -> None:
    with LocalHub([Repository(REPO_ID, folder, disabled=True)]) as hub:
        with pytest.raises(RepositoryDisabledError, match=f"{hub.endpoint}/{REPO_ID} may say why"):
            read_snapshot(hub.endpoint, REPO_ID, "main", token=None)
        source = Source(hub.endpoint, REPO_ID, "5c4a6b8f")
        with closing(HubFiles(source)) as files, pytest.raises(RepositoryDisabledError):
            files.open("config.json")
    with pytest.raises(RepositoryDisabledError):
        snapshot_with(disabled=True)


@pytest.mark.parametrize("kind", ["dataset", "space"])
def test_a_repository_that_is_no_model_is_named_for_what_it_is(kind: str) -> None:
    missing = Answer(401, {"X-Error-Code": "RepoNotFound"})
    answers = [missing, *([missing] if kind == "space" else []), answer_with()]
    with scripted_server(*answers) as server:
        with pytest.raises(RepositoryNotFoundError, match=f"is a {kind} on the Hub"):
            read_snapshot(server.url, REPO_ID, "main", token=None)
        assert server.requests[-1].target.startswith(f"/api/{kind}s/{REPO_ID}")


@pytest.mark.parametrize(
    "fields",
    [
        {"sha": "../../other"},
        {"sha": 7},
        {"id": "acme/tiny/llama"},
        {"id": "acme/tiny llama"},
        {"id": "acme/モデル"},
        {"id": ["acme/tiny-llama"]},
        {"siblings": [{"rfilename": 7}]},
        {"siblings": [{"rfilename": ""}]},
        {"siblings": [{"rfilename": "a", "size": -1}]},
        {"siblings": [{"rfilename": "a", "size": 1.5}]},
        {"siblings": [{"rfilename": "a", "size": "1"}]},
        {"siblings": [{"rfilename": "a", "size": 1, "blobId": "../x"}]},
        {
            "siblings": [
                {"rfilename": "a", "lfs": {"size": 1, "sha256": "no hash", "pointerSize": 1}}
            ]
        },
    ],
)
def test_an_answer_that_could_lead_elsewhere_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(HubUnavailableError, match="its answer cannot be read as model info"):
        snapshot_with(**fields)


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_fault_of_the_hub_is_unavailable_and_then_works(hub: LocalHub, status: int) -> None:
    hub.faults.add(Fault("status", match="GET /api/models", status=status))
    found = f"file list of '{REPO_ID}'.*it answered {status}"
    with pytest.raises(HubUnavailableError, match=found):
        read_snapshot(hub.endpoint, REPO_ID, "main", token=None)
    assert read_snapshot(hub.endpoint, REPO_ID, "main", token=None).files


def test_a_token_that_the_hub_does_not_know_is_refused_in_its_words(hub: LocalHub) -> None:
    with pytest.raises(HubAccessRefusedError, match=r"HTTP 401 \(Invalid credentials in Auth"):
        read_snapshot(hub.endpoint, REPO_ID, "main", token="hf_of_nobody")


def test_a_connection_that_is_dropped_is_unavailable(hub: LocalHub) -> None:
    hub.faults.add(Fault("drop", match="GET /api/models"))
    with pytest.raises(HubUnavailableError, match=r"RemoteProtocolError|ReadError"):
        read_snapshot(hub.endpoint, REPO_ID, "main", token=None)


def test_an_endpoint_where_nobody_listens_is_unavailable(hub: LocalHub) -> None:
    hub.close()
    with pytest.raises(HubUnavailableError, match="ConnectError"):
        read_snapshot(hub.endpoint, REPO_ID, "main", token=None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Sign in to this network</html>",
        b"[]",
        b"null",
        b"{}",
        b'{"id": "acme/tiny-llama"}',
        b'{"id": "acme/tiny-llama", "sha": "5c4a6b8f"}',
        b'{"id": "acme/tiny-llama", "siblings": []}',
        b'{"id": "acme/tiny-llama", "sha": "5c4a6b8f", "siblings": [{}]}',
        b'{"id": "acme/x", "sha": "5c4a", "siblings": [{"rfilename": "a", "lfs": {"size": 1}}]}',
    ],
)
def test_an_answer_that_is_no_model_info_is_unavailable(body: bytes) -> None:
    with (
        scripted_server(Answer(body=body)) as server,
        pytest.raises(HubUnavailableError, match=r"its answer (cannot be read|has no)"),
    ):
        read_snapshot(server.url, REPO_ID, "main", token=None)
