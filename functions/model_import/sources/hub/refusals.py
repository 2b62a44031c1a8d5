"""Translates the Hub's refusals, by status and headers, into errors of this project."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from model_import.errors import (
    HubAccessRefusedError,
    HubUnavailableError,
    ModelImportError,
    RepositoryDisabledError,
    RepositoryFileNotFoundError,
    RepositoryGatedError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

REFUSED: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
REASON: Final = "X-Error-Message"
_CODE: Final = "X-Error-Code"
_DISABLED: Final = "Access to this resource is disabled."
"""This refusal has no code: huggingface_hub 2.4 recognises it by this sentence, too."""

_REASON_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True)
class HubRequest:
    """A request to the Hub: for a repository at a revision, or with `path` for one of its files."""

    endpoint: str
    repo_id: str
    revision: str
    with_token: bool
    path: str | None = None

    @property
    def page_url(self) -> str:
        """Return the URL of the repository's page on the Hub."""
        return f"{self.endpoint.rstrip('/')}/{self.repo_id}"


def stated_refusal(request: HubRequest, headers: Mapping[str, str]) -> ModelImportError | None:
    """Return the error for the reason that the Hub states in the headers, or None."""
    if headers.get(REASON) == _DISABLED:
        return RepositoryDisabledError(request.repo_id, request.page_url)
    match headers.get(_CODE):
        case "GatedRepo":
            return RepositoryGatedError(
                request.repo_id, request.page_url, with_token=request.with_token
            )
        case "RepoNotFound":
            return RepositoryNotFoundError(request.repo_id, with_token=request.with_token)
        case "RevisionNotFound":
            return RevisionNotFoundError(request.repo_id, request.revision)
        case "EntryNotFound" if request.path is not None:
            return RepositoryFileNotFoundError(request.repo_id, request.revision, request.path)
        case _:
            return None


def refusal_by_status(
    what: str, status: int, reason: str | None, *, with_token: bool
) -> ModelImportError:
    """Return the error for a refusal without a stated reason; `reason` is the Hub's text."""
    text = (reason or "no reason given")[:_REASON_CHARACTERS]
    if status in REFUSED:
        return HubAccessRefusedError(what, status, text, with_token=with_token)
    return HubUnavailableError(what, f"it answered {status} ({text})")
