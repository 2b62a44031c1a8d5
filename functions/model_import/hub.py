"""Metadata of repositories on the Hugging Face Hub; their files are read by hub_files.py."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from httpx2 import HTTPError
from huggingface_hub import HfApi
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError as HubRepositoryNotFoundError,
    RevisionNotFoundError as HubRevisionNotFoundError,
)

from model_import.errors import (
    HubAccessRefusedError,
    HubUnavailableError,
    RepositoryGatedError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from model_import.manifest import RepositoryFile, Source

_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A repository at the commit that its revision was resolved to, once."""

    source: Source
    revision: str
    files: tuple[RepositoryFile, ...]

    def file(self, path: str) -> RepositoryFile | None:
        """Return a file by its path, or None."""
        return next((file for file in self.files if file.path == path), None)


def read_snapshot(endpoint: str, repo_id: str, revision: str, *, token: str | None) -> Snapshot:
    """Resolve a revision to its commit and return the files there, with sizes and hashes.

    Raises:
        RepositoryNotFoundError: The Hub shows no such repository to this token.
        RepositoryGatedError: The Hub hides even the list of files.
        RevisionNotFoundError: The repository has no such branch, tag or commit.
        HubAccessRefusedError: The token is not valid, or the repository is disabled.
        HubUnavailableError: The Hub did not answer, or answered with a fault of its own.
    """
    endpoint = endpoint.rstrip("/")
    api = HfApi(endpoint=endpoint, token=token or False)
    what = f"the file list of {repo_id!r} at {revision!r}"
    try:
        info = api.model_info(
            repo_id, revision=revision, files_metadata=True, timeout=_TIMEOUT_SECONDS
        )
    except GatedRepoError as error:
        page = f"{endpoint}/{repo_id}"
        raise RepositoryGatedError(repo_id, page, with_token=token is not None) from error
    except HubRepositoryNotFoundError as error:
        raise RepositoryNotFoundError(repo_id, with_token=token is not None) from error
    except HubRevisionNotFoundError as error:
        raise RevisionNotFoundError(repo_id, revision) from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        reason = (error.server_message or "no reason given")[:200]
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            with_token = token is not None
            raise HubAccessRefusedError(what, status, reason, with_token=with_token) from error
        raise HubUnavailableError(what, f"HTTP {status} ({reason})") from error
    except HTTPError as error:
        raise HubUnavailableError(what, type(error).__name__) from error
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        # What the client makes of a sign-in page, or of a mirror that leaves fields out.
        raise HubUnavailableError(what, "its answer is no model info") from error
    if info.sha is None or info.siblings is None:
        raise HubUnavailableError(what, "its answer names no commit or no files")
    files = tuple(
        RepositoryFile(
            path=file.rfilename,
            size_bytes=file.size or 0,
            blob_id=file.blob_id or "",
            sha256=file.lfs.sha256 if file.lfs else None,
        )
        for file in info.siblings
    )
    # A renamed repository answers under its present name.
    return Snapshot(Source(endpoint, info.id, info.sha), revision, files)
