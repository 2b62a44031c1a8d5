"""Verify Transfer: the manifest to the figures of a transfer that is complete and right."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger

from model_import.aws.bucket_owner import expecting_owner
from model_import.staging.verification import verify

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_s3 import S3Client

logger = Logger()


@functools.cache
def s3() -> S3Client:
    """Return the S3 client."""
    return expecting_owner(boto3.client("s3"), os.environ["ACCOUNT_ID"])


@logger.inject_lambda_context
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Return files, bytes, bytes moved and seconds of the transfer."""
    logger.append_keys(manifest_uri=event["manifest_uri"])
    figures = verify(s3(), event["manifest_uri"])
    logger.info("verified", **figures)
    return figures
