"""What the Hub refuses is the same error, whether its metadata or a file was asked for."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support.servers.scripted_server import Answer, scripted_server

from model_import.errors import (
    HubAccessRefusedError,
    HubUnavailableError,
    ModelImportError,
    RepositoryDisabledError,
    RepositoryGatedError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from model_import.manifest import Source
from model_import.sources.hub.files import HubFiles
from model_import.sources.hub.snapshot import read_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

REPO_ID = "acme/tiny-llama"
DISABLED = "Access to this resource is disabled."


def ask_for_metadata(endpoint: str) -> object:
    return read_snapshot(endpoint, REPO_ID, "main", token=None)


def ask_for_a_file(endpoint: str) -> object:
    with closing(HubFiles(Source(endpoint, REPO_ID, "main"))) as files:
        return files.open("config.json")


@pytest.mark.parametrize("ask", [ask_for_metadata, ask_for_a_file])
@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (401, {"X-Error-Code": "GatedRepo"}, RepositoryGatedError),
        (401, {"X-Error-Code": "RepoNotFound"}, RepositoryNotFoundError),
        (404, {"X-Error-Code": "RevisionNotFound"}, RevisionNotFoundError),
        (403, {"X-Error-Message": DISABLED}, RepositoryDisabledError),
        (403, {"X-Error-Message": "Not for you"}, HubAccessRefusedError),
        (418, {"X-Error-Message": "A teapot"}, HubUnavailableError),
        (404, {}, HubUnavailableError),
    ],
)
def test_a_refusal_is_translated_by_status_and_headers(
    ask: Callable[[str], object],
    status: int,
    headers: dict[str, str],
    error: type[ModelImportError],
) -> None:
    with scripted_server(Answer(status, headers)) as server, pytest.raises(error) as caught:
        ask(server.url)
    assert type(caught.value) is error
