"""Reads the newest commits of an author's repositories in few requests and limited time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import httpx2
from huggingface_hub.errors import RepositoryNotFoundError
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # are exported
    build_hf_headers,
    hf_raise_for_status,
    parse_ratelimit_headers,
    validate_repo_id,
)

from model_import.release.pushed_release import Release
from model_import.sources.hub.client_errors import translate_client_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_REQUEST_SECONDS_AT_MOST: Final = 30
_SINGLE_REQUESTS_AT_MOST: Final = 2
"""Up to so many repositories are requested one by one; for more, one list is cheaper."""

_WAITS_SECONDS: Final = (1, 2, 4, 8, 8)
"""Between tries, unless the Hub asks for another wait; the same as in huggingface_hub."""

_TRANSIENT: Final = (408, 429, 500, 502, 503, 504)
_TRANSIENT_ERRORS: Final = (
    httpx2.TimeoutException,
    httpx2.NetworkError,
    httpx2.RemoteProtocolError,
)
_WILDCARDS: Final = frozenset("*?")
_LIMIT_REACHED: Final = "the Hub's request limit for this window is reached"


class OutOfTimeError(Exception):
    """The run is out of time, or the Hub asks for a wait past its end."""


@dataclass(slots=True)
class BoundedRequests:
    """Hooks for the client of one run that end every request and every wait by `ends_at`.

    The Hub's `RateLimit` header may ask for a wait of up to five minutes.
    """

    ends_at: float
    clock: Callable[[], float] = time.monotonic
    count: int = field(default=0, init=False)

    def client(self, transport: httpx2.BaseTransport | None = None) -> httpx2.Client:
        """Return a client with the hooks; the caller closes it."""
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
            raise OutOfTimeError(f"{_LIMIT_REACHED}; the next window starts in {seconds} s")


def are_requested_one_by_one(patterns: Iterable[str]) -> bool:
    """Return whether the patterns of an author are few, and all of them full names."""
    named = tuple(patterns)
    return len(named) <= _SINGLE_REQUESTS_AT_MOST and not any(
        _WILDCARDS & set(name) for name in named
    )


@dataclass(frozen=True, slots=True)
class ModelApi:
    """Reads the models of a Hub with its own client.

    huggingface_hub has one client for the whole process, which would keep the limits of a run.
    """

    client: httpx2.Client
    endpoint: str
    token: str | None = None
    sleep: Callable[[float], object] = time.sleep

    def model(self, repo_id: str) -> dict[str, Any]:
        """Return a model with its commit."""
        validate_repo_id(repo_id)
        found: dict[str, Any] = self._get(f"{self.endpoint}/api/models/{repo_id}?expand=sha").json()
        return found

    def models_of(self, author: str) -> Iterator[dict[str, Any]]:
        """Yield the models of an author with their commits, page by page."""
        following: str | None = f"{self.endpoint}/api/models?author={author}&expand=sha"
        while following:
            answer = self._get(following)
            yield from answer.json()
            following = answer.links.get("next", {}).get("url")

    def _get(self, url: str) -> httpx2.Response:
        headers = build_hf_headers(token=self.token or False)
        for wait_seconds in _WAITS_SECONDS:
            try:
                answer = self.client.get(url, headers=headers)
            except _TRANSIENT_ERRORS:
                self.sleep(wait_seconds)
                continue
            if answer.status_code not in _TRANSIENT:
                break
            self.sleep(_requested_wait_seconds(answer) or wait_seconds)
        else:
            answer = self.client.get(url, headers=headers)
        hf_raise_for_status(answer)
        return answer


def _requested_wait_seconds(answer: httpx2.Response) -> int | None:
    limit = parse_ratelimit_headers(answer.headers)
    if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS and limit and limit.remaining == 0:
        return limit.reset_in_seconds + 1
    retry_after = answer.headers.get("Retry-After", "")
    return int(retry_after) if retry_after.isdecimal() else None


def read_heads(api: ModelApi, author: str, patterns: tuple[str, ...]) -> tuple[Release, ...]:
    """Return the newest commit of each repository of an author, or only of a few named ones.

    Raises:
        OutOfTimeError: The run is out of time.
        HubAccessRefusedError: The token is not valid.
        HubUnavailableError: The Hub did not answer, or answered with a temporary failure.
    """
    what = f"the models of {author!r}"
    with translate_client_errors(what, "a list of models", with_token=bool(api.token)):
        if are_requested_one_by_one(patterns):
            return tuple(_named_heads(api, patterns))
        return tuple(_heads(api.models_of(author)))


def _named_heads(api: ModelApi, repo_ids: Iterable[str]) -> Iterator[Release]:
    for repo_id in repo_ids:
        try:
            model = api.model(repo_id)
        except RepositoryNotFoundError:
            continue  # deleted, or not created yet
        yield from _heads([model])


def _heads(models: Iterable[dict[str, Any]]) -> Iterator[Release]:
    commits = ((model["id"], model.get("sha")) for model in models)
    return (Release(repo_id, commit) for repo_id, commit in commits if commit and "/" in repo_id)
