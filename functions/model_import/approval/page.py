"""The pages that a link opens: no scripts, no external resources, all repository text escaped.

The page for a refused request contains nothing from the table.
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
from model_import.approval.record import Reply

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
"""For every page: they keep the link secret and prevent clickjacking."""


@dataclass(frozen=True, slots=True)
class Page:
    """An HTTP status and an HTML document."""

    status: HTTPStatus
    html: str


def show(approval: Approval, decision: Decision) -> Page:
    """Return the page that shows a request to a person with the link of a decision."""
    if approval.decision is None or _is_half_done(approval, decision):
        return _question(approval, decision)
    done = approval.decision.done
    at = _moment(approval.decided_at or 0)
    if approval.decision is not decision:
        return _make(
            HTTPStatus.CONFLICT,
            f"Already {done}",
            f"This import was {done} at {at}. That decision stands, and this link changed nothing.",
            approval=approval,
        )
    if approval.reply is Reply.REFUSED:
        return _make(
            HTTPStatus.GONE,
            "No longer waiting",
            f"This import was {done} here at {at}, but its execution no longer accepts an answer: "
            "it was answered before, was stopped, or waited for too long. Open the execution to "
            "see how it ended.",
            approval=approval,
        )
    return _make(
        HTTPStatus.OK,
        done.capitalize(),
        f"This import was {done} at {at}. {_CONSEQUENCES[decision]}",
        approval=approval,
    )


_CONSEQUENCES: Final = {
    Decision.APPROVE: "Its execution continues: it transfers the weights, then imports them.",
    Decision.DECLINE: (
        "Its execution fails with ApprovalDeclinedError. Nothing was transferred or imported."
    ),
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
    """Return whether the decision is recorded but has not been sent to the execution."""
    return approval.decision is decision and approval.reply is None


def _question(approval: Approval, decision: Decision) -> Page:
    until = _moment(approval.expires_at)
    text = f"Only the button decides. The execution waits until {until}."
    if approval.decision:
        text = (
            f"This import was {decision.done}, but its execution has not received the decision "
            "yet. Press the button again."
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


_SHELL_STILL_WORKS: Final = (
    "While the execution waits, anyone with access to the AWS account can still answer with the "
    "command in the same message."
)
INVALID: Final = _make(
    HTTPStatus.FORBIDDEN,
    "This link is not valid",
    "It was cut off or changed, or its signing secret was replaced. Copy the whole link from the "
    f"message again. {_SHELL_STILL_WORKS}",
)
EXPIRED: Final = _make(
    HTTPStatus.GONE,
    "This link has expired",
    "The execution no longer waits for approval. To import the model, start another execution.",
)
UNKNOWN: Final = _make(
    HTTPStatus.NOT_FOUND,
    "This request was not found",
    f"It was removed from the stack's table. {_SHELL_STILL_WORKS}",
)
METHOD_REFUSED: Final = _make(
    HTTPStatus.METHOD_NOT_ALLOWED,
    "This method is not allowed",
    "Open the link in a browser and press the button.",
)
UNAVAILABLE: Final = _make(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Not done yet",
    "AWS did not answer. Open the link again and press the button. You can press it more than "
    "once: a decision is made only once. The log of the stack's functions shows the cause.",
)
