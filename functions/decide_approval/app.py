"""Decide Approval: serves the page of a link and accepts the decision from its button."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger

from model_import.approval.answer import ApprovalDesk
from model_import.approval.page import HEADERS, UNAVAILABLE
from model_import.aws.refusals import ACCOUNT_CALLS
from model_import.errors import ModelImportError
from stack.approval import approval_secret, approval_table

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@functools.cache
def desk() -> ApprovalDesk:
    return ApprovalDesk(
        secret=approval_secret(),
        table=approval_table(),
        states=boto3.client("stepfunctions", config=ACCOUNT_CALLS),
    )


@logger.inject_lambda_context
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Answer a request to the function's URL; its body is ignored."""
    method = event["requestContext"]["http"]["method"]
    try:
        page = desk().answer(method, event["rawPath"], event.get("rawQueryString", ""))
    except ModelImportError as error:
        logger.error("no answer", reason=str(error))  # noqa: TRY400 – the message names the call
        page = UNAVAILABLE
    logger.info("page", method=method, status=page.status)
    return {
        "statusCode": page.status,
        "headers": HEADERS,
        "body": "" if method == "HEAD" else page.html,
    }
