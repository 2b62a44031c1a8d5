"""Reads the metadata of repositories on the Hugging Face Hub; files.py reads their files."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from huggingface_hub import HfApi

from model_import.errors import (
    HubUnavailableError,
    RepositoryDisabledError,
    RepositoryNotFoundError,
)
from model_import.manifest import RepositoryFile, Source
from model_import.sources.hub.client_errors import CLIENT_ERRORS, translate_client_errors
from model_import.sources.hub.model_card import ModelCard, read_model_card
from model_import.sources.hub.refusals import HubRequest

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo
    from huggingface_hub.hf_api import RepoSibling

_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class FlaggedFile:
    """A file that a scanner of the Hub has flagged; `level` is the Hub's term."""

    path: str
    level: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A repository at the commit that its revision resolved to."""

    source: Source
    revision: str
    files: tuple[RepositoryFile, ...]
    card: ModelCard = field(default_factory=ModelCard)
    flagged: tuple[FlaggedFile, ...] = ()

    def file(self, path: str) -> RepositoryFile | None:
        return next((file for file in self.files if file.path == path), None)


def read_snapshot(endpoint: str, repo_id: str, revision: str, *, token: str | None) -> Snapshot:
    """Resolve a revision to its commit and return the files there, with sizes and hashes.

    Raises:
        RepositoryNotFoundError: The Hub shows no such model repository to this token.
        RepositoryGatedError: The Hub hides even the list of files.
        RepositoryDisabledError: The Hub has closed the repository.
        RevisionNotFoundError: The repository has no such branch, tag or commit.
        HubAccessRefusedError: The token is not valid.
        HubUnavailableError: The Hub did not answer, or answered with a temporary failure.
    """
    endpoint = endpoint.rstrip("/")
    api = HfApi(endpoint=endpoint, token=token or False)
    with_token = token is not None
    request = HubRequest(endpoint, repo_id, revision, with_token)
    what = f"the file list of {repo_id!r} at {revision!r}"
    try:
        with translate_client_errors(what, "model info", with_token=with_token, request=request):
            info = api.model_info(
                repo_id,
                revision=revision,
                files_metadata=True,
                securityStatus=True,
                timeout=_TIMEOUT_SECONDS,
            )
    except RepositoryNotFoundError as error:
        kind = _kind_of_other_repository(api, repo_id)
        raise RepositoryNotFoundError(repo_id, with_token=with_token, kind=kind) from error
    if info.disabled is True:
        raise RepositoryDisabledError(repo_id, request.page_url)
    try:
        return _snapshot(endpoint, revision, info)
    except ValueError as error:
        raise HubUnavailableError(what, str(error)) from error


def _kind_of_other_repository(api: HfApi, repo_id: str) -> str | None:
    """Return the kind of a repository of this name that is not a model; None if unknown."""
    for kind, read_info in (("dataset", api.dataset_info), ("space", api.space_info)):
        try:
            read_info(repo_id, timeout=_TIMEOUT_SECONDS)
        except CLIENT_ERRORS:
            continue
        return kind
    return None


def _snapshot(endpoint: str, revision: str, info: ModelInfo) -> Snapshot:
    """Return the Hub's answer as a snapshot; its names are safe in keys and URLs.

    Raises:
        ValueError: A name or a size in the answer is not valid.
    """
    commit, repo_id = info.sha, info.id
    if commit is None or info.siblings is None:
        raise ValueError("its answer has no commit or no files")
    # Both become parts of keys in S3 and of URLs.
    if not _is_text(commit, r"[0-9a-f]+") or not _is_text(repo_id, r"[\w.-]+/[\w.-]+"):
        raise ValueError("its answer cannot be read as model info: the commit or id is not valid")
    return Snapshot(
        # A renamed repository answers with its current name.
        Source(endpoint, repo_id, commit),
        revision,
        tuple(_file(sibling) for sibling in info.siblings),
        read_model_card(info),
        tuple(_flagged(info.security_repo_status)),
    )


def _file(sibling: RepoSibling) -> RepositoryFile:
    path, size_bytes = sibling.rfilename, sibling.size or 0
    blob_id, sha256 = sibling.blob_id or "", sibling.lfs.sha256 if sibling.lfs else None
    if (
        not _is_text(path, r"(?s).+")
        or type(size_bytes) is not int
        or size_bytes < 0
        or not _is_text(blob_id, r"[0-9a-f]*")
        or not (sha256 is None or _is_text(sha256, r"[0-9a-f]{64}"))
    ):
        why = f"the path, size or hash of {path!r:.200} is not valid"
        raise ValueError(f"its answer cannot be read as model info: {why}")
    return RepositoryFile(path, size_bytes, blob_id, sha256)


def _flagged(status: Any) -> list[FlaggedFile]:  # noqa: ANN401 any JSON that the Hub answers
    """Return the files that a scan has flagged.

    Files that are not scanned yet are left out: a scan can take days, and the formats that are
    copied cannot run code.
    """
    files = status.get("filesWithIssues") if isinstance(status, dict) else None
    return [
        FlaggedFile(file["path"], str(file.get("level", "unsafe")))
        for file in (files if isinstance(files, list) else [])
        if isinstance(file, dict) and isinstance(file.get("path"), str)
    ]


def _is_text(value: object, pattern: str) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) is not None
