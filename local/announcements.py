"""What the stack has announced, as the local SNS took it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.sns.models import sns_backends

if TYPE_CHECKING:
    from local.local_aws import LocalAws


@dataclass(frozen=True, slots=True)
class PublishedMessage:
    """A message as it was published; `message` has a form for each protocol."""

    subject: str
    message: str
    attributes: dict[str, Any]


class Announcements:
    """Reads the messages of the stack's topic, each once."""

    def __init__(self, aws: LocalAws) -> None:
        """Read from the first message on."""
        arn = aws.stack.outputs["AnnouncementTopicArn"]
        self._topic = sns_backends[aws.account.id][aws.account.region].topics[arn]
        self._event_bus = aws.event_bus
        self._read = 0

    def new(self, *, settled: bool = False) -> list[PublishedMessage]:
        """Return what was published since; if settled, of all events so far."""
        if settled:
            self._event_bus.settle()
        sent = self._topic.sent_notifications[self._read :]
        self._read += len(sent)
        return [
            PublishedMessage(subject or "", message, attributes or {})
            for _, message, subject, attributes, _ in sent
        ]
