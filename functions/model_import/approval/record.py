"""A request for approval: an item in DynamoDB, which is deleted when its links expire.

Its `state` is "open" until a conditional write records the one decision. The item keeps the task
token until Step Functions has replied.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from model_import.approval.decision import Decision
from model_import.approval.subject import ApprovalSubject

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

_OPEN: Final = "open"
_STATES: Final = {decision.done: decision for decision in Decision}


class Reply(StrEnum):
    """The reply of Step Functions to the decision, as the item's `told` stores it."""

    ACCEPTED = "taken"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Approval:
    """One request; times are Unix times. `reply` is None until Step Functions has replied."""

    approval_id: str
    execution_arn: str
    expires_at: int
    subject: ApprovalSubject
    task_token: str | None
    decision: Decision | None = None
    decided_at: int | None = None
    reply: Reply | None = None

    @property
    def execution_name(self) -> str:
        """Return the name of the execution; its ARN would show the account id."""
        return self.execution_arn.rpartition(":")[2]


def store_request(table: Table, approval: Approval) -> None:
    """Write a request without a decision.

    Raises:
        ClientError: DynamoDB refused.
    """
    table.put_item(
        Item={
            "approval_id": approval.approval_id,
            "execution_arn": approval.execution_arn,
            "expires_at": approval.expires_at,
            "subject": json.dumps(approval.subject.to_dict(), ensure_ascii=False),
            "task_token": approval.task_token,
            "state": _OPEN,
        },
        ConditionExpression="attribute_not_exists(approval_id)",
    )


def find_request(table: Table, approval_id: str) -> Approval | None:
    """Return the current state of a request, or None if there is no such request.

    Raises:
        ClientError: DynamoDB refused.
    """
    found = table.get_item(Key={"approval_id": approval_id}, ConsistentRead=True)
    item: dict[str, Any] | None = found.get("Item")
    if item is None:
        return None
    return Approval(
        approval_id=approval_id,
        execution_arn=item["execution_arn"],
        expires_at=int(item["expires_at"]),
        subject=ApprovalSubject.from_dict(json.loads(item["subject"])),
        task_token=item.get("task_token"),
        decision=_STATES.get(item["state"]),
        decided_at=int(item["decided_at"]) if "decided_at" in item else None,
        reply=Reply(item["told"]) if "told" in item else None,
    )


def record_decision(table: Table, approval_id: str, decision: Decision, at: int) -> None:
    """Write a decision, unless the request has one or does not exist.

    Raises:
        ClientError: DynamoDB refused.
    """
    _update_if(
        table,
        approval_id,
        update="SET #state = :decided, decided_at = :at",
        condition="#state = :open",
        names={"#state": "state"},
        values={":decided": decision.done, ":at": at, ":open": _OPEN},
    )


def record_reply(table: Table, approval_id: str, reply: Reply) -> None:
    """Write the reply of Step Functions; a later refusal does not replace ACCEPTED.

    Raises:
        ClientError: DynamoDB refused.
    """
    _update_if(
        table,
        approval_id,
        update="SET told = :reply REMOVE task_token",
        condition="attribute_exists(approval_id) AND NOT told = :accepted",
        values={":reply": reply, ":accepted": Reply.ACCEPTED},
    )


def _update_if(  # noqa: PLR0913 – one for each part of the request
    table: Table,
    approval_id: str,
    *,
    update: str,
    condition: str,
    values: dict[str, Any],
    names: dict[str, str] | None = None,
) -> None:
    """Update an item if the condition holds."""
    try:
        table.update_item(
            Key={"approval_id": approval_id},
            UpdateExpression=update,
            ConditionExpression=condition,
            ExpressionAttributeValues=values,
            **({"ExpressionAttributeNames": names} if names else {}),  # type: ignore[arg-type]
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
