"""Verify Transfer: verifies the staged files against the manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from model_import.staging.verification import verify
from stack.clients import s3

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Return the files, bytes, transferred bytes and seconds of the transfer."""
    logger.append_keys(manifest_uri=event["manifest_uri"])
    figures = verify(s3(), event["manifest_uri"])
    logger.info("verified", **figures)
    return figures
