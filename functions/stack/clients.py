"""Clients and settings that several handlers use; each is created once, at its first use."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

import boto3

from model_import.aws.bucket_owner import expecting_owner
from model_import.aws.refusals import ACCOUNT_CALLS
from model_import.sources.hub.token import read_hub_token
from stack.settings import FunctionSettings

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_s3 import S3Client


@functools.cache
def settings() -> FunctionSettings:
    return FunctionSettings.from_environ(os.environ)


@functools.cache
def hub_token() -> str | None:
    """Return the Hub token, or None if the stack has none."""
    arn = settings().hub_token_secret_arn
    return read_hub_token(boto3.client("secretsmanager"), arn) if arn else None


@functools.cache
def s3() -> S3Client:
    """Return an S3 client that only accesses buckets of this account."""
    return expecting_owner(boto3.client("s3"), settings().account_id)


@functools.cache
def bedrock() -> BedrockClient:
    """Return a Bedrock client to read the account."""
    return boto3.client("bedrock", config=ACCOUNT_CALLS)
