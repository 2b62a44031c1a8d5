"""Finds pull requests of a Hub repository that contain its weights as safetensors."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from huggingface_hub import HfApi, get_session

from model_import.model_files.names import INDEX, SINGLE
from model_import.sources.hub.client_errors import CLIENT_ERRORS

if TYPE_CHECKING:
    from huggingface_hub import Discussion

    from model_import.manifest import Source

CONVERTER: Final = "SFconvertbot"
"""The account behind https://huggingface.co/spaces/safetensors/convert."""

_TITLE: Final = "safetensors"  # The converter's: Adding `safetensors` variant of this model
_PULL_REQUESTS_LISTED: Final = 50
_PULL_REQUESTS_READ: Final = 3
_TIMEOUT_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class Conversion:
    """A revision that has the weights as safetensors, and the author of its pull request."""

    revision: str
    author: str


def find_conversion(source: Source, *, token: str | None) -> Conversion | None:
    """Return an open conversion of the weights, or None without one or without an answer."""
    api = HfApi(endpoint=source.endpoint, token=token or False)
    # get_repo_discussions accepts no timeout, and the session of the process has none.
    session = get_session()
    before, session.timeout = session.timeout, _TIMEOUT_SECONDS
    try:
        listed = api.get_repo_discussions(
            source.repo_id, discussion_type="pull_request", discussion_status="open"
        )
        proposed = [pull for pull in islice(listed, _PULL_REQUESTS_LISTED) if _may_convert(pull)]
        proposed.sort(key=lambda pull: (pull.author != CONVERTER, -pull.num))
        for pull in proposed[:_PULL_REQUESTS_READ]:
            revision = f"refs/pr/{pull.num}"
            if _has_safetensors(api, source.repo_id, revision):
                return Conversion(revision, pull.author)
    except CLIENT_ERRORS:
        # The conversion is only a hint in a finding that is reported anyway.
        return None
    finally:
        session.timeout = before
    return None


def _may_convert(pull: Discussion) -> bool:
    return pull.author == CONVERTER or _TITLE in pull.title.lower()


def _has_safetensors(api: HfApi, repo_id: str, revision: str) -> bool:
    info = api.model_info(repo_id, revision=revision, timeout=_TIMEOUT_SECONDS)
    return any(file.rfilename in (SINGLE, INDEX) for file in info.siblings or ())
