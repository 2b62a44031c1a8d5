"""The pages behind a link: no script, nothing from elsewhere, and nothing of a repository as HTML.

What a page of a refusal says depends on nothing that is stored.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

import jinja2

from model_import.approval.decision import Decision
from model_import.approval.record import Told

if TYPE_CHECKING:
    from model_import.approval.record import Approval

_FOLDER: Final = Path(__file__).parent
_STYLE: Final = (_FOLDER / "page.css").read_text(encoding="utf-8")
_TEMPLATE: Final = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_FOLDER),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
).get_template("page.html.jinja")
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS: Final = {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex, nofollow",
}
"""Of every page: the link is a secret, and a click on the button is the person's own."""


@dataclass(frozen=True, slots=True)
class Page:
    """What is answered."""

    status: HTTPStatus
    html: str


def show(approval: Approval, decision: Decision) -> Page:
    """Return the page of a request as it stands, seen by the link of a decision."""
    if approval.decision is None or _is_half_done(approval, decision):
        return _question(approval, decision)
    done = approval.decision.done
    at = _moment(approval.decided_at or 0)
    if approval.decision is not decision:
        return _make(
            HTTPStatus.CONFLICT,
            f"Already {done}",
            f"This import was {done} at {at}, and that stands. Nothing was changed by this link.",
            approval=approval,
        )
    if approval.told is Told.REFUSED:
        return _make(
            HTTPStatus.GONE,
            "No longer waiting",
            f"This import was {done} here at {at}, and its execution takes no answer any more: it "
            "was answered before, was stopped, or waited for too long. Look at the execution to "
            "see what became of it.",
            approval=approval,
        )
    return _make(
        HTTPStatus.OK,
        done.capitalize(),
        f"This import was {done} at {at}. {_CONSEQUENCES[decision]}",
        approval=approval,
    )


_CONSEQUENCES: Final = {
    Decision.APPROVE: "Its execution goes on: the weights are moved, then imported.",
    Decision.DECLINE: "Its execution ends as ApprovalDeclinedError. Nothing was moved or imported.",
}
_BUTTONS: Final = {
    Decision.APPROVE: "Approve this import",
    Decision.DECLINE: "Decline this import",
}
_QUESTIONS: Final = {
    Decision.APPROVE: "Approve this import?",
    Decision.DECLINE: "Decline this import?",
}


def _is_half_done(approval: Approval, decision: Decision) -> bool:
    """Return whether the decision is written and nobody has come to tell the execution."""
    return approval.decision is decision and approval.told is None


def _question(approval: Approval, decision: Decision) -> Page:
    until = _moment(approval.expires_at)
    text = f"The button decides, and nothing else. The import waits until {until}."
    if approval.decision:
        text = (
            f"This import was {decision.done}, and its execution was not told yet. "
            "Press the button again."
        )
    return _make(
        HTTPStatus.OK,
        _QUESTIONS[decision],
        text,
        approval=approval,
        decision=decision,
    )


def _make(
    status: HTTPStatus,
    title: str,
    text: str,
    *,
    approval: Approval | None = None,
    decision: Decision | None = None,
) -> Page:
    html = _TEMPLATE.render(
        title=title,
        text=text,
        style=_STYLE,
        approval=approval,
        decision=decision,
        button=_BUTTONS[decision] if decision else None,
    )
    return Page(status, html)


def _moment(unix_time: int) -> str:
    return f"{datetime.fromtimestamp(unix_time, UTC):%Y-%m-%d %H:%M} UTC"


_OTHERWISE: Final = (
    "Whoever may use the AWS account can still answer, with the command in the same message, for "
    "as long as the execution waits."
)
INVALID: Final = _make(
    HTTPStatus.FORBIDDEN,
    "This link is not valid",
    "It was cut, changed or signed with a secret that has gone. Copy the whole link from the "
    f"message again. {_OTHERWISE}",
)
EXPIRED: Final = _make(
    HTTPStatus.GONE,
    "This link has expired",
    "The import waits for approval no longer. To have it, start it again.",
)
UNKNOWN: Final = _make(
    HTTPStatus.NOT_FOUND,
    "Nothing is known of this request",
    f"It was removed from the stack's table. {_OTHERWISE}",
)
METHOD_REFUSED: Final = _make(
    HTTPStatus.METHOD_NOT_ALLOWED,
    "This cannot be asked here",
    "Open the link in a browser, and press the button.",
)
UNAVAILABLE: Final = _make(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Not done yet",
    "AWS did not answer. Open the link again and press the button: a decision is made once, "
    "however often it is asked for. The log of the stack's functions says why.",
)
