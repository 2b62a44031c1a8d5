"""The Hub's refusals: what it says by status and headers, as errors of this project."""

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
"""It has no code of its own: huggingface_hub 2.4 tells it by this sentence too."""

_REASON_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """What the Hub was asked for: a repository at a revision, or with `path` a file of it."""

    endpoint: str
    repo_id: str
    revision: str
    with_token: bool
    path: str | None = None

    @property
    def page_url(self) -> str:
        """Return where the Hub shows the repository to a person."""
        return f"{self.endpoint.rstrip('/')}/{self.repo_id}"


def stated_refusal(asked: Asked, headers: Mapping[str, str]) -> ModelImportError | None:
    """Return the error for the reason that the Hub states in the headers, None if it has none."""
    if headers.get(REASON) == _DISABLED:
        return RepositoryDisabledError(asked.repo_id, asked.page_url)
    match headers.get(_CODE):
        case "GatedRepo":
            return RepositoryGatedError(asked.repo_id, asked.page_url, with_token=asked.with_token)
        case "RepoNotFound":
            return RepositoryNotFoundError(asked.repo_id, with_token=asked.with_token)
        case "RevisionNotFound":
            return RevisionNotFoundError(asked.repo_id, asked.revision)
        case "EntryNotFound" if asked.path is not None:
            return RepositoryFileNotFoundError(asked.repo_id, asked.revision, asked.path)
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
