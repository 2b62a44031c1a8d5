"""What huggingface_hub raises, as errors of this project."""

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

    from model_import.sources.hub.refusals import Asked

_MALFORMED: Final = (AttributeError, LookupError, TypeError, ValueError)
"""What the client makes of a sign-in page, or of a mirror that leaves fields out."""

CLIENT_ERRORS: Final = (HTTPError, *_MALFORMED)


@contextmanager
def translate_client_errors(
    what: str, kind: str, *, with_token: bool, asked: Asked | None = None
) -> Iterator[None]:
    """Have calls of huggingface_hub fail with errors of this project.

    `kind` is what the answer should be; `asked` is the repository, where one is asked for.

    Raises:
        RepositoryNotFoundError, RepositoryGatedError, RepositoryDisabledError,
        RevisionNotFoundError: as the Hub says of `asked`.
        HubAccessRefusedError: The token is not valid.
        HubUnavailableError: The Hub did not answer, or answered with a fault of its own.
    """
    try:
        yield
    except HfHubHTTPError as error:
        stated = None if asked is None else _stated_refusal(asked, error)
        if stated is not None:
            raise stated from error
        status, reason = error.response.status_code, error.server_message
        raise refusal_by_status(what, status, reason, with_token=with_token) from error
    except HTTPError as error:
        raise HubUnavailableError(what, type(error).__name__) from error
    except _MALFORMED as error:
        raise HubUnavailableError(what, f"its answer is no {kind}") from error


def _stated_refusal(asked: Asked, error: HfHubHTTPError) -> ModelImportError | None:
    stated = stated_refusal(asked, error.response.headers)
    # The client also reads a 401 without a code as a repository that is missing or hidden.
    if stated is None and isinstance(error, HubRepositoryNotFoundError):
        return RepositoryNotFoundError(asked.repo_id, with_token=asked.with_token)
    return stated
