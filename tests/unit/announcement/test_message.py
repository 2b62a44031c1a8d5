"""Whatever is announced, SNS takes it, a mail reads well and nobody is called by it."""

from __future__ import annotations

import json
from typing import Any, Final

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import given, strategies as st

from model_import.announcement.message import (
    CHAT_CHARACTERS_AT_MOST,
    CHAT_TITLE_CHARACTERS_AT_MOST,
    MESSAGE_BYTES_AT_MOST,
    SUBJECT_CHARACTERS_AT_MOST,
    Announcement,
    Link,
)
from model_import.announcement.topic import publish

TOPIC: Final = "arn:aws:sns:us-east-1:123456789012:announcements"
LINKS: Final = (Link("Execution", "https://console.example/e"), Link("Manifest", "https://c/m"))
ANY_TEXT: Final = st.text(st.characters(codec=None), max_size=300)
WORST: Final = ("\U0001f600", '"', "\\", "<", "&", "\x00", "\ud800", "\u2028", "é", "\n")


def announcement(**changes: Any) -> Announcement:  # noqa: ANN401 – any field
    given = {
        "kind": "succeeded",
        "repo_id": "acme/Tiny",
        "subject": "Imported: acme/Tiny",
        "lines": ("Model: arn:aws:bedrock:us-east-1:123456789012:imported-model/abc",),
        "links": LINKS,
    }
    return Announcement(**(given | changes))


def chat(request: dict[str, Any]) -> dict[str, str]:
    notification = json.loads(json.loads(request["Message"])["https"])
    assert (notification["version"], notification["source"]) == ("1.0", "custom")
    content: dict[str, str] = notification["content"]
    return content


def assert_is_within_the_limits(request: dict[str, Any]) -> None:
    subject = request["Subject"]
    assert subject.isascii()
    assert subject.isprintable()
    assert len(subject) <= SUBJECT_CHARACTERS_AT_MOST
    attributes = json.dumps(request["MessageAttributes"], ensure_ascii=False)
    assert len((request["Message"] + attributes).encode()) <= MESSAGE_BYTES_AT_MOST
    content = chat(request)
    assert len(content["title"]) <= CHAT_TITLE_CHARACTERS_AT_MOST
    assert len(content["description"]) <= CHAT_CHARACTERS_AT_MOST


def test_a_mail_has_the_lines_and_then_each_link_on_a_line_of_its_own() -> None:
    request = announcement(lines=("It took 7 s.", "Units: 2")).request()

    assert json.loads(request["Message"])["default"] == (
        "It took 7 s.\nUnits: 2\n\nExecution:\nhttps://console.example/e\n\nManifest:\nhttps://c/m\n"
    )
    assert request["MessageStructure"] == "json"


def test_a_channel_gets_a_custom_notification_with_named_links() -> None:
    content = chat(announcement(lines=("It took 7 s.",)).request())

    assert content == {
        "textType": "client-markdown",
        "title": "Imported: acme/Tiny",
        "description": "It took 7 s.\n<https://console.example/e|Execution>\n<https://c/m|Manifest>",
    }


def test_subscribers_can_filter_by_kind_and_repository() -> None:
    assert announcement().request()["MessageAttributes"] == {
        "kind": {"DataType": "String", "StringValue": "succeeded"},
        "repo_id": {"DataType": "String", "StringValue": "acme/Tiny"},
    }
    assert "repo_id" not in announcement(repo_id="").request()["MessageAttributes"]


@pytest.mark.parametrize("worst", WORST)
def test_a_cause_of_any_length_is_cut_and_the_links_are_whole(worst: str) -> None:
    request = announcement(
        repo_id=worst * 100_000, subject=f"Failed: {worst * 100_000}", lines=(worst * 200_000,)
    ).request()

    assert_is_within_the_limits(request)
    assert json.loads(request["Message"])["default"].endswith(f"{LINKS[-1].url}\n")
    assert chat(request)["description"].endswith(f"<{LINKS[-1].url}|Manifest>")


@given(repo_id=ANY_TEXT, subject=ANY_TEXT, lines=st.lists(ANY_TEXT, max_size=3).map(tuple))
def test_any_text_is_announced(repo_id: str, subject: str, lines: tuple[str, ...]) -> None:
    request = announcement(repo_id=repo_id, subject=f"Failed: {subject}", lines=lines).request()

    assert_is_within_the_limits(request)


def test_a_repository_can_call_nobody_in_a_channel() -> None:
    content = chat(announcement(subject="<!here>", lines=("<!channel> & <@U1>",)).request())

    assert content["title"] == "&lt;!here&gt;"
    assert content["description"].startswith("&lt;!channel&gt; &amp; &lt;@U1&gt;")


def test_it_is_published_to_the_topic() -> None:
    sns = boto3.client("sns", region_name="us-east-1")
    told = announcement()
    with Stubber(sns) as stubber:
        stubber.add_response("publish", {"MessageId": "m"}, {"TopicArn": TOPIC} | told.request())

        assert publish(sns, TOPIC, told) == "m"
