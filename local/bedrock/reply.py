"""An HTTP answer before it is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.bedrock.service_model import json_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, headers, and a body that may be generated while it is sent."""

    status: int
    headers: Mapping[str, str]
    body: Iterable[bytes]


def json_reply(status: int, answer: Mapping[str, Any], **headers: str) -> Reply:
    """Return a reply with a JSON object as its body."""
    body = json_text(answer)
    length = {"content-type": "application/json", "content-length": str(len(body))}
    return Reply(status, length | headers, [body])
