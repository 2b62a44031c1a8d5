"""Translates errors of huggingface_hub into errors of this project."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from httpx2 import HTTPError
from huggingface_hub.errors import (
    HfHubHTTPError,
    RepositoryNotFoundError as HubRepositoryNotFoundError,
)

from model_import.errors import HubUnavailableError, ModelImportError, RepositoryNotFoundError
from model_import.sources.hub.refusals import refusal_by_status, stated_refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_import.sources.hub.refusals import HubRequest

_MALFORMED: Final = (AttributeError, LookupError, TypeError, ValueError)
"""What the client raises for a sign-in page, or for a mirror that omits fields."""

CLIENT_ERRORS: Final = (HTTPError, *_MALFORMED)


@contextmanager
def translate_client_errors(
    what: str, kind: str, *, with_token: bool, request: HubRequest | None = None
) -> Iterator[None]:
    """Translate errors of huggingface_hub into errors of this project.

    `kind` is what the answer should be; `request` is given if a repository is requested.

    Raises:
        RepositoryNotFoundError, RepositoryGatedError, RepositoryDisabledError,
        RevisionNotFoundError: the Hub refuses `request` for this reason.
        HubAccessRefusedError: The token is not valid.
        HubUnavailableError: The Hub did not answer, or answered with a temporary failure.
    """
    try:
        yield
    except HfHubHTTPError as error:
        stated = None if request is None else _stated_refusal(request, error)
        if stated is not None:
            raise stated from error
        status, reason = error.response.status_code, error.server_message
        raise refusal_by_status(what, status, reason, with_token=with_token) from error
    except HTTPError as error:
        raise HubUnavailableError(what, type(error).__name__) from error
    except _MALFORMED as error:
        raise HubUnavailableError(what, f"its answer cannot be read as {kind}") from error


def _stated_refusal(request: HubRequest, error: HfHubHTTPError) -> ModelImportError | None:
    stated = stated_refusal(request, error.response.headers)
    # The client also takes a 401 without a code for a repository that is missing or hidden.
    if stated is None and isinstance(error, HubRepositoryNotFoundError):
        return RepositoryNotFoundError(request.repo_id, with_token=request.with_token)
    return stated
