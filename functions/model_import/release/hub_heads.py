"""Where the repositories of an author stand, asked of the Hub in few requests and bounded time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import httpx2
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from huggingface_hub.utils import parse_ratelimit_headers  # type: ignore[attr-defined]  # is exported

from model_import.errors import HubAccessRefusedError, HubUnavailableError
from model_import.release.pushed_release import Release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from huggingface_hub import HfApi, ModelInfo

_REQUEST_SECONDS_AT_MOST: Final = 30
_EXACT_AT_MOST: Final = 2
"""So many repositories of an author are asked after one by one; for more, one list is cheaper."""

_WILDCARDS: Final = frozenset("*?")
_BROUGHT_IN_VAIN: Final = "the request budget of this window is spent"


class OutOfTimeError(Exception):
    """The time that a run has is over, or what the Hub asks to wait for is beyond it."""


@dataclass(slots=True)
class BoundedRequests:
    """Hooks for the client of huggingface_hub that let no request, and no wait, pass `ends_at`.

    The library waits by itself for as long as a `RateLimit` header says, up to five minutes, and
    lists with no time limit of its own.
    """

    ends_at: float
    clock: Callable[[], float] = time.monotonic
    count: int = field(default=0, init=False)

    def client(self, transport: httpx2.BaseTransport | None = None) -> httpx2.Client:
        """Return a client with the hooks, for `huggingface_hub.set_client_factory`."""
        hooks: dict[str, list[Callable[..., None]]] = {
            "request": [self._before],
            "response": [self._after],
        }
        return httpx2.Client(event_hooks=hooks, follow_redirects=True, transport=transport)

    def _before(self, request: httpx2.Request) -> None:
        seconds_left = self.ends_at - self.clock()
        if seconds_left <= 0:
            raise OutOfTimeError("no time is left for another request")
        self.count += 1
        seconds = min(_REQUEST_SECONDS_AT_MOST, seconds_left)
        phases = ("connect", "read", "write", "pool")
        request.extensions = request.extensions | {"timeout": dict.fromkeys(phases, seconds)}

    def _after(self, response: httpx2.Response) -> None:
        if response.status_code != HTTPStatus.TOO_MANY_REQUESTS:
            return
        limit = parse_ratelimit_headers(response.headers)
        if limit and self.clock() + limit.reset_in_seconds + 1 >= self.ends_at:
            seconds = limit.reset_in_seconds
            raise OutOfTimeError(f"{_BROUGHT_IN_VAIN}; the next begins in {seconds} s")


def are_asked_one_by_one(patterns: Iterable[str]) -> bool:
    """Return whether an author's repositories are few enough, and all named in full."""
    named = tuple(patterns)
    return len(named) <= _EXACT_AT_MOST and not any(_WILDCARDS & set(name) for name in named)


def read_heads(api: HfApi, author: str, patterns: tuple[str, ...]) -> tuple[Release, ...]:
    """Return the newest commit of each repository of an author; only of those named, if few.

    Raises:
        OutOfTimeError: The run has no time for it.
        HubAccessRefusedError: The token is not valid.
        HubUnavailableError: The Hub did not answer, or answered with a fault of its own.
    """
    what = f"the models of {author!r}"
    try:
        if are_asked_one_by_one(patterns):
            return tuple(_named_heads(api, patterns))
        listed = api.list_models(author=author, expand=["sha"])
        return tuple(_heads(listed))
    except HfHubHTTPError as error:
        status = error.response.status_code
        reason = (error.server_message or "no reason given")[:200]
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            with_token = bool(api.token)
            raise HubAccessRefusedError(what, status, reason, with_token=with_token) from error
        raise HubUnavailableError(what, f"HTTP {status} ({reason})") from error
    except httpx2.HTTPError as error:
        raise HubUnavailableError(what, type(error).__name__) from error
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise HubUnavailableError(what, "its answer is no list of models") from error


def _named_heads(api: HfApi, repo_ids: Iterable[str]) -> Iterator[Release]:
    for repo_id in repo_ids:
        try:
            info = api.model_info(repo_id, expand=["sha"])
        except RepositoryNotFoundError:
            continue  # one that is not there, or not yet, has no release
        yield from _heads([info])


def _heads(infos: Iterable[ModelInfo]) -> Iterator[Release]:
    return (Release(info.id, info.sha) for info in infos if info.sha and "/" in info.id)
