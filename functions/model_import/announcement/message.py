"""An announcement, and the forms in which SNS delivers it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

SUBJECT_CHARACTERS_AT_MOST: Final = 99
# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html, 2026-11-24: ASCII, less than 100.
MESSAGE_BYTES_AT_MOST: Final = 256 * 1024
# The same page: all forms of a message together.
_TEXT_CHARACTERS_AT_MOST: Final = 40_000
# In JSON a character takes at most four bytes, after `_printable` has removed those that take six.
CHAT_TITLE_CHARACTERS_AT_MOST: Final = 250
CHAT_CHARACTERS_AT_MOST: Final = 8_000
# Not confirmed: AWS documents the format, but no documented limits were found on 2026-11-24.
# https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html
_ATTRIBUTE_CHARACTERS_AT_MOST: Final = 256
_CUT: Final = " […]"


@dataclass(frozen=True, slots=True)
class Link:
    """A URL with its label."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Announcement:
    """The content of one message.

    Subscribers filter by `kind` and `repo_id`. Links come last and are never cut off, whatever the
    length of the lines; together they are shorter than 7,000 characters.
    """

    kind: str
    repo_id: str
    subject: str
    lines: tuple[str, ...]
    links: tuple[Link, ...] = ()

    def request(self) -> dict[str, Any]:
        """Return the parameters of SNS's Publish, always within its limits."""
        forms = {"default": self.text(), "https": json.dumps(self._chat(), ensure_ascii=False)}
        attributes = {"kind": self.kind, "repo_id": self.repo_id}
        return {
            "Subject": self.title(),
            "Message": json.dumps(forms, ensure_ascii=False),
            "MessageStructure": "json",
            "MessageAttributes": {
                name: {"DataType": "String", "StringValue": cleaned}
                for name, value in attributes.items()
                if (cleaned := _printable(value)[:_ATTRIBUTE_CHARACTERS_AT_MOST])
            },
        }

    def title(self) -> str:
        """Return the subject of an email: one line of ASCII."""
        line = " ".join(_printable(self.subject).split())
        ascii_only = line.encode("ascii", "replace").decode()
        return _cut(ascii_only, SUBJECT_CHARACTERS_AT_MOST, "...")

    def text(self) -> str:
        """Return the body of an email."""
        links = [f"{link.label}:\n{link.url}" for link in self.links]
        body = _cut("\n".join(map(_printable, self.lines)), _TEXT_CHARACTERS_AT_MOST)
        return "\n\n".join([body, *links]) + "\n"

    def _chat(self) -> dict[str, Any]:
        """Return a custom notification for Amazon Q Developer, which subscribes over HTTPS."""
        links = "".join(f"\n<{link.url}|{_quoted(link.label)}>" for link in self.links)
        body = _quoted("\n".join(map(_printable, self.lines)))
        return {
            "version": "1.0",
            "source": "custom",
            "content": {
                "textType": "client-markdown",
                "title": _cut(_quoted(self.title()), CHAT_TITLE_CHARACTERS_AT_MOST),
                "description": _cut(body, CHAT_CHARACTERS_AT_MOST - len(links)) + links,
            },
        }


def _printable(text: str) -> str:
    """Return text without the characters that XML, terminals or UTF-8 reject; lines stay."""
    whole = text.encode("utf-8", "replace").decode()
    return re.sub(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]", " ", whole)


def _quoted(text: str) -> str:
    """Return text that Slack shows as it is, without links or mentions such as `<!channel>`."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, characters: int, mark: str = _CUT) -> str:
    return text if len(text) <= characters else text[: characters - len(mark)] + mark
