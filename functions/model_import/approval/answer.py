"""A request at a link's URL to a page; a POST decides, and nothing else does.

A decision is written first, then the execution is told, then that it was told is written. Whoever
dies between leaves a decision that the same link finishes, and that the other cannot change.
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
    Told,
    find_request,
    record_decision,
    record_told,
)
from model_import.aws.refusals import translate_aws_errors
from model_import.errors import ApprovalDeclinedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_stepfunctions import SFNClient

    from model_import.aws.rotated_secret import RotatedSecret

_READING: Final = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class ApprovalDesk:
    """Where links lead."""

    secret: RotatedSecret
    table: Table
    states: SFNClient
    clock: Callable[[], float] = time.time

    def answer(self, method: str, path: str, query: str) -> page.Page:
        """Return the page for a request, after doing what it asks.

        Raises:
            PermissionMissingError: IAM does not let the caller do what it must.
            AwsUnavailableError: A service did not answer; asking again is safe.
        """
        if method not in (*_READING, "POST"):
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
        """Return the request as it stands once the link's decision is made, or another was."""
        decision = link.decision
        with translate_aws_errors("dynamodb"):
            record_decision(self.table, link.approval_id, decision, int(self.clock()))
            approval = find_request(self.table, link.approval_id) or approval
        if approval.decision is decision and approval.told is None and approval.task_token:
            told = self._tell(approval, decision, approval.task_token)
            with translate_aws_errors("dynamodb"):
                record_told(self.table, link.approval_id, told)
                approval = find_request(self.table, link.approval_id) or approval
        return approval

    def _tell(self, approval: Approval, decision: Decision, task_token: str) -> Told:
        refusals = (
            self.states.exceptions.InvalidToken,
            self.states.exceptions.TaskDoesNotExist,
            self.states.exceptions.TaskTimedOut,
        )
        with translate_aws_errors("states"):
            try:
                if decision is Decision.APPROVE:
                    output = {"approved_by": "link", "at": _moment(approval)}
                    self.states.send_task_success(taskToken=task_token, output=json.dumps(output))
                else:
                    declined = ApprovalDeclinedError(
                        approval.subject.repo_id, approval.subject.commit, _moment(approval)
                    )
                    self.states.send_task_failure(
                        taskToken=task_token,
                        error=type(declined).__name__,
                        cause=str(declined),
                    )
            except refusals:
                return Told.REFUSED
        return Told.TAKEN


def _moment(approval: Approval) -> str:
    return datetime.fromtimestamp(approval.decided_at or 0, UTC).isoformat(timespec="seconds")
