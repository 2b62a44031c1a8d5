"""The message that asks people to approve an import."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from model_import.announcement.console_links import execution_link
from model_import.announcement.message import Announcement, Link
from model_import.approval.decision import Decision
from model_import.errors import ApprovalDeclinedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_import.approval.record import Approval

_NOTES_AT_MOST: Final = 5
_NOTE_CHARACTERS_AT_MOST: Final = 300
# A chat channel shows 8,000 characters, and a longer message loses its end: the commands.


def approval_message(
    approval: Approval, links: dict[Decision, str], task_token: str
) -> Announcement:
    """Return the message: the import, and a link and a command for each decision."""
    subject = approval.subject
    expires = datetime.fromtimestamp(approval.expires_at, UTC)
    return Announcement(
        kind="waiting_for_approval",
        repo_id=subject.repo_id,
        subject=f"Waiting for approval: {subject.repo_id}",
        lines=(
            f"{subject.repo_id} at {subject.commit} waits to be imported as {subject.model_name}.",
            "No weights are transferred before a person approves.",
            f"The execution waits until {expires:%Y-%m-%d %H:%M} UTC.",
            "",
            "Forecast:",
            *(f"  {label}: {amount}" for label, amount in subject.figures.items()),
            "",
            *_findings(approval),
            "",
            *_commands(approval.execution_arn.split(":")[3], task_token),
            "",
            "Each link opens a page with one button. The first decision is final.",
        ),
        links=(
            Link("Approve", links[Decision.APPROVE]),
            Link("Decline", links[Decision.DECLINE]),
            Link("Execution", execution_link(approval.execution_arn)),
        ),
    )


def _findings(approval: Approval) -> Iterator[str]:
    notes = approval.subject.notes
    if not notes:
        yield "Findings: none."
        return
    yield "Findings:"
    for note in notes[:_NOTES_AT_MOST]:
        cut = note[:_NOTE_CHARACTERS_AT_MOST]
        yield f"  - {cut if cut == note else f'{cut} …'}"
    if (more := len(notes) - _NOTES_AT_MOST + approval.subject.more_notes) > 0:
        yield f"  - and {more} more, on the page that a link opens"


def _commands(region: str, task_token: str) -> Iterator[str]:
    declined = ApprovalDeclinedError.__name__
    yield "To approve from a shell instead, with AWS credentials that allow it:"
    yield f"  TASK_TOKEN={shlex.quote(task_token)}"
    yield (
        f"  aws stepfunctions send-task-success --region {region} "
        "--task-token \"$TASK_TOKEN\" --task-output '{}'"
    )
    yield "To decline from a shell:"
    yield (
        f"  aws stepfunctions send-task-failure --region {region} "
        f"--task-token \"$TASK_TOKEN\" --error {declined} --cause 'Declined by hand.'"
    )
