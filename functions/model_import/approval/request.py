"""Asks people to approve an execution that waits for their decision."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from model_import.announcement.topic import publish
from model_import.approval.decision import Decision
from model_import.approval.link import DecisionLink
from model_import.approval.message import approval_message
from model_import.approval.record import Approval, store_request
from model_import.approval.subject import ApprovalSubject
from model_import.aws.event_bus import EventNotPublishedError, publish_events
from model_import.aws.refusals import translate_aws_errors
from model_import.errors import AwsUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sns import SNSClient

    from model_import.assessment.plan import Plan
    from model_import.aws.rotated_secret import RotatedSecret

SOURCE: Final = "model-import"
WAITING: Final = "Model Import Waiting for Approval"
_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class ApprovalSettings:
    """The URL of the links, the topic to publish to, and how long a request stays open."""

    url: str
    topic_arn: str
    seconds: int


@dataclass(frozen=True, slots=True)
class ApprovalRequester:
    """Requests approvals; each request has its own links."""

    settings: ApprovalSettings
    secret: RotatedSecret
    table: Table
    events: EventBridgeClient
    sns: SNSClient
    clock: Callable[[], float] = time.time

    def request(
        self,
        execution_arn: str,
        task_token: str,
        plan: Plan,
        findings: list[dict[str, Any]],
    ) -> str:
        """Record a request, put its event, then publish the message; return the request's id.

        The message comes last, so every published link belongs to a recorded request.

        Raises:
            PermissionMissingError: IAM does not allow one of these calls.
            AwsUnavailableError: Secrets Manager, DynamoDB, EventBridge or SNS did not answer.
            SecretEmptyError: The secret that signs links is empty.
        """
        approval = Approval(
            approval_id=secrets.token_hex(_ID_BYTES),
            execution_arn=execution_arn,
            expires_at=int(self.clock()) + self.settings.seconds,
            subject=ApprovalSubject.of(plan, findings),
            task_token=task_token,
        )
        message = approval_message(approval, self._links(approval), task_token)
        with translate_aws_errors("dynamodb"):
            store_request(self.table, approval)
        self._put_event(approval, plan, findings)
        with translate_aws_errors("sns"):
            publish(self.sns, self.settings.topic_arn, message)
        return approval.approval_id

    def _put_event(self, approval: Approval, plan: Plan, findings: list[dict[str, Any]]) -> None:
        """Put the event that an execution waits; it contains no link and no task token."""
        detail = {
            "repo_id": plan.wanted.repo_id,
            "commit": plan.wanted.commit,
            "model_name": plan.wanted.model_name,
            "execution_arn": approval.execution_arn,
            "expires_at": approval.expires_at,
            "forecast": plan.forecast.to_dict(),
            "findings": [finding for finding in findings if finding["severity"] == "warning"],
        }
        with translate_aws_errors("events"):
            try:
                publish_events(self.events, SOURCE, WAITING, [detail])
            except EventNotPublishedError as error:
                raise AwsUnavailableError("events:PutEvents", str(error)) from error

    def _links(self, approval: Approval) -> dict[Decision, str]:
        with translate_aws_errors("secretsmanager"):
            key = self.secret.current()
        return {
            decision: self.settings.url
            + DecisionLink(decision, approval.approval_id, approval.expires_at).signed(key)
            for decision in Decision
        }
