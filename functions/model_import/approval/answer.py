"""Answers requests to the URL of a link with a page; only a POST decides.

The decision is recorded first, then sent to the execution, then the reply is recorded. If the
function stops in between, the same link completes the decision, and the other cannot change it.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from model_import.approval import page
from model_import.approval.decision import Decision
from model_import.approval.link import DecisionLink, read_link
from model_import.approval.record import (
    Approval,
    Reply,
    find_request,
    record_decision,
    record_reply,
)
from model_import.aws.refusals import translate_aws_errors
from model_import.errors import ApprovalDeclinedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_stepfunctions import SFNClient

    from model_import.aws.rotated_secret import RotatedSecret

_READ_METHODS: Final = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class ApprovalDesk:
    """Serves the pages of the links and sends decisions to Step Functions."""

    secret: RotatedSecret
    table: Table
    states: SFNClient
    clock: Callable[[], float] = time.time

    def answer(self, method: str, path: str, query: str) -> page.Page:
        """Return the page for a request; a POST makes the decision first.

        Raises:
            PermissionMissingError: IAM does not allow the function a call that it needs.
            AwsUnavailableError: A service did not answer; a retry is safe.
        """
        if method not in (*_READ_METHODS, "POST"):
            return page.METHOD_REFUSED
        with translate_aws_errors("secretsmanager"):
            link = read_link(path, query, self.secret)
        if link is None:
            return page.INVALID
        if link.expires_at <= self.clock():
            return page.EXPIRED
        with translate_aws_errors("dynamodb"):
            approval = find_request(self.table, link.approval_id)
        if approval is None:
            return page.UNKNOWN
        if method == "POST":
            approval = self._decide(approval, link)
        return page.show(approval, link.decision)

    def _decide(self, approval: Approval, link: DecisionLink) -> Approval:
        """Record the link's decision unless there is one already, and return the request."""
        decision = link.decision
        with translate_aws_errors("dynamodb"):
            record_decision(self.table, link.approval_id, decision, int(self.clock()))
            approval = find_request(self.table, link.approval_id) or approval
        if approval.decision is decision and approval.reply is None and approval.task_token:
            reply = self._send_decision(approval, decision, approval.task_token)
            with translate_aws_errors("dynamodb"):
                record_reply(self.table, link.approval_id, reply)
                approval = find_request(self.table, link.approval_id) or approval
        return approval

    def _send_decision(self, approval: Approval, decision: Decision, task_token: str) -> Reply:
        refusals = (
            self.states.exceptions.InvalidToken,
            self.states.exceptions.TaskDoesNotExist,
            self.states.exceptions.TaskTimedOut,
        )
        with translate_aws_errors("states"):
            try:
                if decision is Decision.APPROVE:
                    output = {"approved_by": "link", "at": _decided_at(approval)}
                    self.states.send_task_success(taskToken=task_token, output=json.dumps(output))
                else:
                    declined = ApprovalDeclinedError(
                        approval.subject.repo_id, approval.subject.commit, _decided_at(approval)
                    )
                    self.states.send_task_failure(
                        taskToken=task_token,
                        error=type(declined).__name__,
                        cause=str(declined),
                    )
            except refusals:
                return Reply.REFUSED
        return Reply.ACCEPTED


def _decided_at(approval: Approval) -> str:
    return datetime.fromtimestamp(approval.decided_at or 0, UTC).isoformat(timespec="seconds")
