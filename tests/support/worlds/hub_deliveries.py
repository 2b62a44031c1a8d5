"""Deliveries of a Hub webhook as documented, and the function that receives them, in this process.

https://huggingface.co/docs/hub/webhooks, payloads of version 3.
"""

from __future__ import annotations

import base64
import copy
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from model_import.aws.rotated_secret import RotatedSecret
from receive_webhook import app

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

SECRET: Final = "s" * 48
REPO_ID: Final = "acme/Tiny-1.0"
COMMIT: Final = "0" * 39 + "1"
OLD: Final = "0" * 39 + "2"


def payload(action: str = "update", scope: str = "repo.content", **parts: Any) -> dict[str, Any]:  # noqa: ANN401 – any JSON
    """Return the payload of a push to main; `parts` replace its parts, and None removes one."""
    made = {
        "event": {"action": action, "scope": scope},
        "repo": {
            "type": "model",
            "name": REPO_ID,
            "id": "621ffdc036468d709f17434d",
            "private": False,
            "url": {
                "web": f"https://huggingface.co/{REPO_ID}",
                "api": f"https://huggingface.co/api/models/{REPO_ID}",
            },
            "owner": {"id": "628b753283ef59b5be89e937"},
            "headSha": COMMIT,
        },
        "updatedRefs": [ref("refs/heads/main")],
        "webhook": {"id": "6390e855e30d9209411de93b", "version": 3},
    } | parts
    return copy.deepcopy({name: part for name, part in made.items() if part is not None})


def ref(name: str, old: str | None = OLD, new: str | None = COMMIT) -> dict[str, Any]:
    """Return one of the `updatedRefs`."""
    return {"ref": name, "oldSha": old, "newSha": new}


def repository(**changes: object) -> dict[str, Any]:
    """Return the `repo` of a payload, with changes."""
    made: dict[str, Any] = payload()["repo"] | changes
    return made


@dataclass(slots=True)
class Bus:
    """EventBridge with PutEvents only; keeps the details of the events."""

    details: list[dict[str, Any]] = field(default_factory=list)

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 – boto's
        """Accept all entries."""
        assert len(Entries) <= 10
        assert all(e["Source"] == "huggingface.hub" for e in Entries)
        assert all(e["DetailType"] == "Model Released" for e in Entries)
        self.details += [json.loads(entry["Detail"]) for entry in Entries]
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"} for _ in Entries]}


class ResourceNotFoundException(Exception):  # noqa: N818 – the name of AWS
    """There is no such version of a secret."""


@dataclass(slots=True)
class Secrets:
    """Secrets Manager with one secret in versions; counts the reads."""

    versions: dict[str, str]
    reads: int = 0

    @property
    def exceptions(self) -> type[Secrets]:
        """Return the holder of the exception classes."""
        return Secrets

    ResourceNotFoundException = ResourceNotFoundException

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> dict[str, str]:  # noqa: N803
        del SecretId
        self.reads += 1
        if VersionStage not in self.versions:
            raise ResourceNotFoundException
        return {"SecretString": self.versions[VersionStage]}

    def rotate(self, secret: str) -> None:
        """Store a new secret."""
        self.versions = {"AWSCURRENT": secret, "AWSPREVIOUS": self.versions["AWSCURRENT"]}


@dataclass(frozen=True, slots=True)
class Context:
    """The fields of a Lambda context that Powertools reads."""

    function_name: str = "receive"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn"
    aws_request_id: str = "1"


def url_event(
    body: bytes, headers: Mapping[str, str] | None = None, *, encoded: bool = True
) -> dict[str, Any]:
    """Return the event of a function URL, payload format 2.0."""
    return {
        "version": "2.0",
        "rawPath": "/",
        "headers": {"x-webhook-secret": SECRET} if headers is None else dict(headers),
        "requestContext": {"http": {"method": "POST", "path": "/"}},
        "body": base64.b64encode(body).decode() if encoded else body.decode(),
        "isBase64Encoded": encoded,
    }


def deliver(event: dict[str, Any]) -> int:
    """Call the function, and return the status of its answer."""
    answer = app.handler(event, Context())  # type: ignore[arg-type]  # what it reads of it
    json.dumps(answer)
    status: int = answer["statusCode"]
    return status


def receiving(monkeypatch: pytest.MonkeyPatch, bus: object) -> None:
    """Put fakes of AWS behind the function."""
    monkeypatch.setenv("TRACKED_BRANCH", "main")
    secret = RotatedSecret(Secrets({"AWSCURRENT": SECRET}), "arn")  # type: ignore[arg-type]
    monkeypatch.setattr(app, "secret", lambda: secret)
    monkeypatch.setattr(app, "events", lambda: bus)
