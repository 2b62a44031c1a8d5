"""Request Approval: asks people to approve an execution, which waits with a task token."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger

from model_import.approval.request import ApprovalRequester, ApprovalSettings
from model_import.assessment.plan import Plan
from model_import.aws.refusals import ACCOUNT_CALLS
from stack.approval import approval_secret, approval_table

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@functools.cache
def requester() -> ApprovalRequester:
    return ApprovalRequester(
        ApprovalSettings(
            url=os.environ["APPROVAL_URL"],
            topic_arn=os.environ["ANNOUNCEMENT_TOPIC_ARN"],
            seconds=int(os.environ["APPROVAL_SECONDS"]),
        ),
        secret=approval_secret(),
        table=approval_table(),
        events=boto3.client("events", config=ACCOUNT_CALLS),
        sns=boto3.client("sns", config=ACCOUNT_CALLS),
    )


@logger.inject_lambda_context
def handler(event: dict[str, Any], _context: LambdaContext) -> None:
    """Request the approval; the answer goes to Step Functions, not to this function."""
    logger.append_keys(execution_arn=event["execution_arn"])
    plan = Plan.from_dict(event["plan"])
    requester().request(event["execution_arn"], event["task_token"], plan, event["findings"])
    logger.info("approval requested", repo_id=plan.wanted.repo_id)
