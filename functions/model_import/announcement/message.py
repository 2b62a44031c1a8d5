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
# As JSON a character takes four bytes at most, six of some kinds that `_printable` takes out.
CHAT_TITLE_CHARACTERS_AT_MOST: Final = 250
CHAT_CHARACTERS_AT_MOST: Final = 8_000
# Not confirmed: the form is documented, and these limits were not found in print on 2026-11-24.
# https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html
_ATTRIBUTE_CHARACTERS_AT_MOST: Final = 256
_CUT: Final = " […]"


@dataclass(frozen=True, slots=True)
class Link:
    """Where to go on, and what it is called."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Announcement:
    """What one message says.

    `kind` and `repo_id` are what subscribers filter by. Links are kept whole and stand last,
    however long the lines are; together they are shorter than 7,000 characters.
    """

    kind: str
    repo_id: str
    subject: str
    lines: tuple[str, ...]
    links: tuple[Link, ...] = ()

    def request(self) -> dict[str, Any]:
        """Return what SNS is asked to publish, within its limits whatever is announced."""
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
        """Return the subject as a mail may have it: one line of ASCII."""
        line = " ".join(_printable(self.subject).split())
        ascii_only = line.encode("ascii", "replace").decode()
        return _cut(ascii_only, SUBJECT_CHARACTERS_AT_MOST, "...")

    def text(self) -> str:
        """Return it as a mail reads."""
        links = [f"{link.label}:\n{link.url}" for link in self.links]
        body = _cut("\n".join(map(_printable, self.lines)), _TEXT_CHARACTERS_AT_MOST)
        return "\n\n".join([body, *links]) + "\n"

    def _chat(self) -> dict[str, Any]:
        """Return a custom notification of Amazon Q Developer in chat, which subscribes by https."""
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
    """Return text without what XML, a terminal or UTF-8 cannot carry; lines stay."""
    whole = text.encode("utf-8", "replace").decode()
    return re.sub(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]", " ", whole)


def _quoted(text: str) -> str:
    """Return text in which Slack finds no link and nobody to call, such as `<!channel>`."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, characters: int, mark: str = _CUT) -> str:
    return text if len(text) <= characters else text[: characters - len(mark)] + mark
