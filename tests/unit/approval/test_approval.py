"""A link decides once, by a click, in time and unaltered; whoever dies between loses nothing."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import logging
import re
import shlex
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import given, strategies as st
from moto import mock_aws
from support.fakes.approval_desk import (
    EXECUTION,
    EXPIRES_AT,
    KEY,
    NOW,
    TABLE,
    Calls,
    InvalidToken,
    Request,
    TaskDoesNotExist,
    TaskTimedOut,
    subject,
)
from support.worlds.hub_deliveries import Context, Secrets

from decide_approval import app as page_app
from model_import.announcement.message import CHAT_CHARACTERS_AT_MOST
from model_import.approval import page
from model_import.approval.decision import Decision
from model_import.approval.link import DecisionLink, read_link
from model_import.approval.message import approval_message
from model_import.approval.record import Approval, Reply, find_request
from model_import.approval.request import ApprovalRequester, ApprovalSettings
from model_import.approval.subject import ApprovalSubject
from model_import.assessment.plan import Plan
from model_import.aws.rotated_secret import RotatedSecret
from model_import.forecast.estimate import Figure, Forecast
from model_import.preflight.verdict import ModelFigures
from model_import.request.wanted_import import WantedImport
from request_approval import app as request_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb.service_resource import Table

APPROVE, DECLINE = Decision
WRITTEN: Final = DecisionLink(APPROVE, "0123456789abcdef" * 2, EXPIRES_AT).signed(KEY.encode())
STEPS: Final = range(1, 13)
"""Moments before and after each call of a first click: six calls."""


@pytest.fixture(scope="module")
def table() -> Iterator[Table]:
    with mock_aws():
        yield boto3.resource("dynamodb", region_name="us-east-1").create_table(**TABLE)


@pytest.fixture
def request_(table: Table) -> Request:
    return Request(table)


def secret() -> RotatedSecret:
    return RotatedSecret(Secrets({"AWSCURRENT": KEY}), "arn")  # type: ignore[arg-type]  # a fake


SECRET: Final = secret()


def read(link: str) -> DecisionLink | None:
    path, _, query = link.partition("?")
    return read_link(f"/{path}", query, SECRET)


def test_a_link_is_read_as_it_was_written() -> None:
    assert read(WRITTEN) == DecisionLink(APPROVE, "0123456789abcdef" * 2, EXPIRES_AT)


@given(
    at=st.integers(0, len(WRITTEN) - 1),
    instead=st.text(max_size=2) | st.sampled_from(["0", "f", "F", "%30", "&", "=", "/", "?", "٣"]),
)
def test_a_link_with_any_character_altered_added_or_left_out_is_no_link(
    at: int, instead: str
) -> None:
    altered = WRITTEN[:at] + instead + WRITTEN[at + 1 :]

    assert altered == WRITTEN or read(altered) is None


@given(before=st.text(max_size=3), after=st.text(max_size=3))
def test_nothing_may_stand_around_a_link(before: str, after: str) -> None:
    assert not (before or after) or read(before + WRITTEN + after) is None


def test_a_signature_is_of_one_decision_one_request_and_one_time() -> None:
    signature = WRITTEN.rpartition("=")[2]
    for other in (
        DecisionLink(DECLINE, "0123456789abcdef" * 2, EXPIRES_AT),
        DecisionLink(APPROVE, "f" * 32, EXPIRES_AT),
        DecisionLink(APPROVE, "0123456789abcdef" * 2, EXPIRES_AT + 1),
    ):
        unsigned = other.signed(b"guess").rpartition("=")[0]
        assert read(f"{unsigned}={signature}") is None


def test_links_outlive_one_rotation_of_the_secret(request_: Request) -> None:
    request_.secrets.rotate("second")
    assert request_.ask(APPROVE, "GET").status == HTTPStatus.OK

    request_.secrets.rotate("third")
    assert request_.ask(APPROVE, "GET") == page.INVALID


@pytest.mark.parametrize("decision", Decision)
def test_a_click_decides_and_the_execution_is_told_once(
    request_: Request, decision: Decision
) -> None:
    clicks = [request_.ask(decision) for _ in range(3)]

    assert [click.status for click in clicks] == [HTTPStatus.OK] * 3
    assert all(f"<h1>{decision.done.capitalize()}</h1>" in click.html for click in clicks)
    assert request_.told == [decision.done]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_decides_nothing(request_: Request, method: str) -> None:
    for decision in Decision:
        shown = request_.ask(decision, method)
        assert shown.status == HTTPStatus.OK
        assert "acme/Tiny" in shown.html
        assert shown.html.count("<button") == 1

    assert request_.told == []
    found = find_request(request_.table, request_.approval.approval_id)
    assert found == request_.approval


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "post", ""])
def test_nothing_else_can_be_asked(request_: Request, method: str) -> None:
    assert request_.ask(APPROVE, method) == page.METHOD_REFUSED
    assert request_.told == []


def test_a_link_decides_until_the_second_in_which_it_expires(request_: Request) -> None:
    request_.now = EXPIRES_AT
    assert request_.ask(APPROVE) == page.EXPIRED
    assert request_.ask(APPROVE, "GET") == page.EXPIRED
    assert request_.told == []

    request_.now = EXPIRES_AT - 1
    assert request_.ask(APPROVE).status == HTTPStatus.OK
    assert request_.told == ["approved"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_that_is_not_in_the_table_is_unknown(request_: Request, method: str) -> None:
    request_.approval = replace(request_.approval, approval_id="f" * 32)

    assert request_.ask(APPROVE, method) == page.UNKNOWN
    assert find_request(request_.table, "f" * 32) is None


@pytest.mark.parametrize("first", Decision)
def test_the_second_decision_changes_nothing_and_names_the_first(
    request_: Request, first: Decision
) -> None:
    other = APPROVE if first is DECLINE else DECLINE
    request_.ask(first)

    for method in ("POST", "GET"):
        late = request_.ask(other, method)
        assert late.status == HTTPStatus.CONFLICT
        assert f"Already {first.done}" in late.html
        assert "<button" not in late.html
    assert request_.told == [first.done]


@pytest.mark.parametrize("refusal", [TaskTimedOut, TaskDoesNotExist, InvalidToken])
def test_an_execution_that_waits_no_longer_is_no_error(
    request_: Request, refusal: type[TaskTimedOut]
) -> None:
    request_.executions.refusal = refusal
    request_.executions.waiting.clear()

    for method in ("POST", "POST", "GET"):
        shown = request_.ask(APPROVE, method)
        assert shown.status == HTTPStatus.GONE
        assert "No longer waiting" in shown.html
    found = find_request(request_.table, request_.approval.approval_id)
    assert found is not None
    assert (found.reply, found.task_token) == (Reply.REFUSED, None)


class DiedError(Exception):
    """The function ends here."""


def die() -> None:
    raise DiedError


@pytest.mark.parametrize("at", STEPS)
def test_a_decision_that_was_cut_off_is_finished_by_its_link_and_by_no_other(
    request_: Request, at: int
) -> None:
    with pytest.raises(DiedError):
        request_.ask(APPROVE, around=Calls(at, die).around)
    found = find_request(request_.table, request_.approval.approval_id)
    assert found is not None
    decided = found.decision

    other = request_.ask(DECLINE)
    again = request_.ask(APPROVE)

    winner = "declined" if decided is None else "approved"
    assert request_.told == [winner]
    assert f"already {winner}" in (other if decided else again).html.lower()
    if decided:
        # Between telling and recording it, nobody can know whether it was told.
        assert again.status in (HTTPStatus.OK, HTTPStatus.GONE)
        assert again.status == HTTPStatus.OK or found.reply is None


@pytest.mark.parametrize("at", STEPS)
def test_of_two_people_at_once_one_decides_and_both_see_who(request_: Request, at: int) -> None:
    others: list[page.Page] = []

    first = request_.ask(
        APPROVE, around=Calls(at, lambda: others.append(request_.ask(DECLINE))).around
    )

    (winner,) = request_.told
    (second,) = others
    assert {first.status, second.status} == {HTTPStatus.OK, HTTPStatus.CONFLICT}
    loser = second if winner == "approved" else first
    assert f"<h1>Already {winner}</h1>" in loser.html
    assert loser.status == HTTPStatus.CONFLICT


@pytest.mark.parametrize("at", STEPS)
def test_a_double_click_tells_once_and_ends_as_done(request_: Request, at: int) -> None:
    shown = [
        request_.ask(APPROVE, around=Calls(at, lambda: request_.ask(APPROVE)).around),
        request_.ask(APPROVE, "GET"),
    ]

    assert request_.told == ["approved"]
    assert [click.status for click in shown] == [HTTPStatus.OK] * 2


def test_a_decision_that_was_not_told_can_be_seen_and_finished(request_: Request) -> None:
    with pytest.raises(DiedError):
        request_.ask(APPROVE, around=Calls(7, die).around)

    seen = request_.ask(APPROVE, "GET")

    assert "has not received the decision" in seen.html
    assert seen.html.count("<button") == 1


def test_a_page_is_whole_in_itself_and_keeps_its_address_to_itself() -> None:
    assert "script" not in page.EXPIRED.html
    assert not re.findall(r"(?:src|href|url)\s*[=(]", page.EXPIRED.html)
    style = page.EXPIRED.html.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = page.HEADERS["content-security-policy"]
    assert f"style-src 'sha256-{digest}'" in policy
    assert {"default-src 'none'", "form-action 'self'", "frame-ancestors 'none'"} <= set(
        policy.split("; ")
    )
    assert page.HEADERS["cache-control"] == "no-store"
    assert page.HEADERS["referrer-policy"] == "no-referrer"


def test_what_a_repository_says_is_text_on_the_page() -> None:
    hostile = "</dd><script>alert(1)</script>\"'&"
    approval = Approval(
        "0" * 32,
        EXECUTION,
        EXPIRES_AT,
        subject(hostile, repo_id=hostile, model_name=hostile, figures={hostile: hostile}),
        "token",
    )

    html = page.show(approval, APPROVE).html

    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 5


def test_a_refusal_tells_nothing_of_what_is_asked_for() -> None:
    refused = (page.INVALID, page.EXPIRED, page.UNKNOWN, page.METHOD_REFUSED, page.UNAVAILABLE)

    assert [shown.status for shown in refused] == [403, 410, 404, 405, 503]
    for shown in refused:
        assert "<dl" not in shown.html
        assert "<button" not in shown.html


def figure(amount: float | None) -> Figure:
    return Figure(amount, amount, "unit", "source", "2026-11-24")


PLAN: Final = Plan(
    wanted=WantedImport(
        "acme/Tiny",
        "4f5e" * 10,
        normalise=True,
        model_name="acme-Tiny-4f5e4f5e",
        name_given=False,
    ),
    revision="main",
    tags={},
    prompt=None,
    expect=None,
    figures=ModelFigures(
        licence=None,
        model_type="llama",
        architecture="LlamaForCausalLM",
        kind="decoder",
        context_length=8192,
        chat_template=None,
        dtype="BF16",
        parameters=70_553_706_496,
        weights_files=29,
        weights_bytes=141_110_000_000,
    ),
    forecast=Forecast(
        transfer_bytes=figure(141_110_000_000),
        transfer_seconds=figure(2520),
        custom_model_units=figure(8),
        usd_per_window=figure(2.29),
        usd_per_active_hour=figure(None),
        usd_per_storage_month=figure(15.6),
    ),
)
TOKEN: Final = "AQCE=" + "x/+" * 300
"""As long and as awkward as Step Functions makes them."""


def findings(count: int) -> list[dict[str, Any]]:
    return [
        {"code": f"CODE_{number}", "severity": "warning", "found": "f" * 500}
        for number in range(count)
    ]


def test_a_subject_names_what_is_paid_for_and_what_was_found() -> None:
    made = ApprovalSubject.of(PLAN, findings(25))

    assert made.figures["Weights"] == "141.11 GB"
    assert made.figures["Transfer"] == "42 min"
    assert made.figures["Active hour"] == "unknown"
    assert (len(made.notes), made.more_notes) == (20, 5)
    assert ApprovalSubject.from_dict(json.loads(json.dumps(made.to_dict()))) == made


@pytest.mark.parametrize("count", [0, 25])
def test_a_message_has_both_links_and_commands_that_a_shell_takes(count: int) -> None:
    links = {decision: f"https://url.example/{decision}/1" for decision in Decision}
    approval = Approval(
        "0" * 32, EXECUTION, EXPIRES_AT, ApprovalSubject.of(PLAN, findings(count)), TOKEN
    )

    announced = approval_message(approval, links, TOKEN)

    text = announced.text()
    assert f"Approve:\n{links[APPROVE]}\n" in text
    assert f"Decline:\n{links[DECLINE]}\n" in text
    (assignment,) = re.findall(r"TASK_TOKEN=.+", text)
    assert shlex.split(assignment) == [f"TASK_TOKEN={TOKEN}"]
    assert ("- and 20 more" in text) == (count == 25)
    chat = json.loads(json.loads(announced.request()["Message"])["https"])["content"]
    assert len(chat["description"]) <= CHAT_CHARACTERS_AT_MOST
    assert "--error ApprovalDeclinedError" in chat["description"]
    assert announced.kind == "waiting_for_approval"


class Bus:
    """EventBridge and SNS, which remember."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.refuses = refuses
        self.entries: list[dict[str, Any]] = []
        self.messages: list[dict[str, Any]] = []

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self.entries += Entries
        return {"FailedEntryCount": int(self.refuses), "Entries": [{"ErrorCode": "Throttled"}]}

    def publish(self, **request: Any) -> dict[str, str]:  # noqa: ANN401
        self.messages.append(request)
        return {"MessageId": "1"}


def requester(table: Table, bus: Bus) -> ApprovalRequester:
    settings = ApprovalSettings("https://url.example/", "topic", 600)
    return ApprovalRequester(settings, secret(), table, bus, bus, lambda: NOW)  # type: ignore[arg-type]


EVENT: Final = {
    "execution_arn": EXECUTION,
    "task_token": TOKEN,
    "plan": PLAN.to_dict(),
    "findings": findings(1),
}


def url_event(link: str, method: str) -> dict[str, Any]:
    path, _, query = link.partition("?")
    return {
        "rawPath": f"/{path}",
        "rawQueryString": query,
        "requestContext": {"http": {"method": method}},
    }


def ask_page(link: str, method: str) -> dict[str, Any]:
    answer: dict[str, Any] = page_app.handler(url_event(link, method), Context())  # type: ignore[arg-type]
    json.dumps(answer)
    return answer


def test_nothing_that_decides_is_in_an_event_or_a_log(
    request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus, log = Bus(), io.StringIO()
    monkeypatch.setattr(request_app, "requester", lambda: requester(request_.table, bus))
    monkeypatch.setattr(page_app, "desk", request_.desk)
    for logger in (request_app.logger, page_app.logger):
        monkeypatch.setattr(logger.registered_handler, "stream", log)
        monkeypatch.setattr(logger._logger, "level", logging.DEBUG)

    request_app.handler(EVENT, Context())  # type: ignore[arg-type]  # what it reads of it
    text = json.loads(bus.messages[0]["Message"])["default"]
    link = re.findall(r"https://url\.example/(approve/.+)", text)[0]
    request_.executions.waiting.add(TOKEN)
    assert ask_page(link, "GET")["statusCode"] == HTTPStatus.OK
    assert ask_page(link[:-1], "GET")["statusCode"] == HTTPStatus.FORBIDDEN
    assert ask_page(link, "POST")["statusCode"] == HTTPStatus.OK

    logged = log.getvalue()
    assert "approval requested" in logged
    (entry,) = bus.entries
    detail = json.loads(entry["Detail"])
    assert (detail["repo_id"], detail["forecast"]) == ("acme/Tiny", PLAN.forecast.to_dict())
    for secret_part in (TOKEN, link, link.rpartition("=")[2], link[8:40]):
        assert secret_part in text
        assert secret_part not in logged
        assert secret_part not in entry["Detail"]


def test_a_request_that_is_made_again_has_links_of_its_own(table: Table) -> None:
    bus = Bus()
    ids = {requester(table, bus).request(EXECUTION, TOKEN, PLAN, []) for _ in range(2)}

    assert len(ids) == 2
    texts = {message["Message"] for message in bus.messages}
    assert len(texts) == 2


def test_nobody_is_asked_when_the_event_was_not_taken(table: Table) -> None:
    bus = Bus(refuses=True)

    with pytest.raises(Exception, match="Throttled") as raised:
        requester(table, bus).request(EXECUTION, TOKEN, PLAN, [])

    assert type(raised.value).__name__ == "AwsUnavailableError"
    assert not bus.messages


def throttle() -> None:
    raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow"}}, "UpdateItem")


@pytest.mark.parametrize("at", STEPS)
def test_a_service_that_does_not_answer_gives_a_page_that_says_to_try_again(
    request_: Request, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    calls = Calls(at, throttle)
    monkeypatch.setattr(page_app, "desk", lambda: request_.desk(calls.around))

    failed = ask_page(request_.link(APPROVE), "POST")
    again = ask_page(request_.link(APPROVE), "POST")

    assert failed["statusCode"] == HTTPStatus.SERVICE_UNAVAILABLE
    assert again["statusCode"] in (HTTPStatus.OK, HTTPStatus.GONE)
    assert request_.told == ["approved"]


def test_a_look_at_the_headers_has_no_body(
    request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_app, "desk", request_.desk)

    answer = ask_page(request_.link(APPROVE), "HEAD")

    assert (answer["statusCode"], answer["body"]) == (HTTPStatus.OK, "")
    assert answer["headers"] == page.HEADERS
