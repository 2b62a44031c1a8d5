"""Announce Import: publishes the announcement of an event of this stack."""

from __future__ import annotations

import functools
import os
from datetime import datetime
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from model_import.announcement.event import announcement_of
from model_import.announcement.topic import publish

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_sns import SNSClient

logger = Logger()


@functools.cache
def sns() -> SNSClient:
    return boto3.client("sns")


@logger.inject_lambda_context
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Return the message's id and subject; if SNS fails, Lambda retries twice."""
    announcement = announcement_of(
        event["detail-type"], datetime.fromisoformat(event["time"]), event["detail"]
    )
    logger.append_keys(kind=announcement.kind, repo_id=announcement.repo_id)
    try:
        message_id = publish(sns(), os.environ["ANNOUNCEMENT_TOPIC_ARN"], announcement)
    except (BotoCoreError, ClientError):
        logger.exception("not announced", subject=announcement.title())
        raise
    logger.info("announced", message_id=message_id)
    return {"message_id": message_id, "subject": announcement.title()}
