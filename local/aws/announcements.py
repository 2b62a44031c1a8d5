"""The announcements of the stack, as the local SNS received them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from moto.sns.models import sns_backends

if TYPE_CHECKING:
    from local.deployment.local_aws import LocalAws

_ASKING: Final = "waiting_for_approval"


@dataclass(frozen=True, slots=True)
class PublishedMessage:
    """A published message; `message` has one form per protocol."""

    subject: str
    message: str
    attributes: dict[str, Any]

    @property
    def text(self) -> str:
        """Return the text of its email."""
        text: str = json.loads(self.message)["default"]
        return text

    @property
    def asks(self) -> bool:
        """Return whether it asks a person for a decision."""
        return bool(self.attributes.get("kind", {}).get("Value") == _ASKING)


class Announcements:
    """Reads the messages of the stack's topic, each once."""

    def __init__(self, aws: LocalAws) -> None:
        """Start at the first message."""
        arn = aws.stack.outputs["AnnouncementTopicArn"]
        self._topic = sns_backends[aws.account.id][aws.account.region].topics[arn]
        self._event_bus = aws.event_bus
        self._read = 0

    def new(self, *, settled: bool = False) -> list[PublishedMessage]:
        """Return the new messages; if `settled`, wait for those of all events so far."""
        if settled:
            self._event_bus.settle()
        sent = self._topic.sent_notifications[self._read :]
        self._read += len(sent)
        return [
            PublishedMessage(subject or "", message, attributes or {})
            for _, message, subject, attributes, _ in sent
        ]
