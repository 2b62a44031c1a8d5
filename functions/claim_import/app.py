"""Claim Import: decides what this execution does, when others may import the same source."""

from __future__ import annotations

import functools
from datetime import datetime
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger

from model_import.assessment.plan import Plan
from model_import.claim.claims import Claims
from model_import.claim.decision import decide
from stack.clients import bedrock, s3, settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@functools.cache
def claims() -> Claims:
    """Return the claims of this stack."""
    return Claims(s3=s3(), states=boto3.client("stepfunctions"), bucket=settings().staging_bucket)


@logger.inject_lambda_context
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Return the action, with the job, the model or the execution that it concerns."""
    logger.append_keys(execution_arn=event["execution_arn"])
    decision = decide(
        Plan.from_dict(event["plan"]).wanted,
        claims(),
        bedrock(),
        execution_arn=event["execution_arn"],
        started=datetime.fromisoformat(event["started_at"]),
    )
    logger.info("decision", **decision.to_dict())
    return decision.to_dict()
