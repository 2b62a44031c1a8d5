"""Reads the release from a delivery of a Hub webhook.

Payloads, version 3: https://huggingface.co/docs/hub/webhooks
"""

from __future__ import annotations

import functools
import hmac
import json
import re
from typing import TYPE_CHECKING, Any, Final

from model_import.release.pushed_release import Release

if TYPE_CHECKING:
    from model_import.aws.rotated_secret import RotatedSecret

BODY_BYTES_AT_MOST: Final = 256 * 1024
"""A documented payload has about 2 kB."""

_CONTENT: Final = "repo.content"
_BRANCH: Final = "refs/heads/"
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_REPO_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


class MalformedDeliveryError(ValueError):
    """The body is not a webhook payload of the Hub; the message says why."""


def has_secret(given: str, secret: RotatedSecret) -> bool:
    """Return whether a delivery has the secret, which the Hub sends in X-Webhook-Secret."""
    # Headers are Latin-1, and compare_digest raises on texts outside ASCII.
    return secret.accepts(functools.partial(hmac.compare_digest, given.encode(errors="replace")))


def read_release(body: bytes, branch: str) -> Release | None:
    """Return the release in a delivery, or None if it reports something else.

    Deleted branches, tags, pull requests, discussions, settings, moved repositories and other
    kinds of repositories are not releases; nor is anything that a later payload version adds.

    Raises:
        MalformedDeliveryError: It is not a JSON object with an event and a repository.
    """
    payload = _object(body)
    event, repository = payload.get("event"), payload.get("repo")
    if not isinstance(event, dict) or not isinstance(event.get("scope"), str):
        raise MalformedDeliveryError("event.scope is missing")
    if not isinstance(repository, dict) or not isinstance(repository.get("type"), str):
        raise MalformedDeliveryError("repo.type is missing")
    if not _is_push(event) or repository["type"] != "model":
        return None
    repo_id = repository.get("name")
    if not isinstance(repo_id, str):
        raise MalformedDeliveryError("repo.name is missing")
    commit = _commit_of(payload.get("updatedRefs"), branch)
    # A legacy model such as "gpt2" has no organisation, which an import requires.
    if commit is None or not _REPO_ID.fullmatch(repo_id):
        return None
    return Release(repo_id, commit)


def _object(body: bytes) -> dict[str, Any]:
    if len(body) > BODY_BYTES_AT_MOST:
        raise MalformedDeliveryError(f"the body exceeds {BODY_BYTES_AT_MOST} bytes")
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedDeliveryError("the body is not JSON") from None
    if not isinstance(payload, dict):
        raise MalformedDeliveryError("the body is not a JSON object")
    return payload


def _is_push(event: dict[str, Any]) -> bool:
    """Return whether the content of the repository changed.

    "Narrower scopes may be added; they are to be treated as an update of the broader one."
    """
    scope = event["scope"]
    if scope == _CONTENT:
        return event.get("action") in ("create", "update")
    return bool(scope.startswith(f"{_CONTENT}."))


def _commit_of(updated_refs: object, branch: str) -> str | None:
    """Return the new commit of the branch; a deletion has none."""
    if not isinstance(updated_refs, list):
        return None
    for update in updated_refs:
        if isinstance(update, dict) and update.get("ref") == _BRANCH + branch:
            commit = update.get("newSha")
            if isinstance(commit, str) and _COMMIT.fullmatch(commit):
                return commit
    return None
