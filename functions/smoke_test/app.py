"""Smoke Test: asks an imported model a question and judges its answer."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from model_import.smoke_test.ask import run_smoke_test
from model_import.smoke_test.body import read_tokenizer
from stack.clients import s3

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

logger = Logger()


@functools.cache
def runtime() -> BedrockRuntimeClient:
    """Return a runtime client with a long timeout and no retries; the state machine retries."""
    config = Config(retries={"total_max_attempts": 1}, read_timeout=270)
    return boto3.client("bedrock-runtime", config=config)


@logger.inject_lambda_context
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Return prompt, answer, latency, tokens and seconds to the first success."""
    logger.append_keys(model_arn=event["model_arn"])
    result = run_smoke_test(
        runtime(),
        event["model_arn"],
        read_tokenizer(s3(), event["s3_uri"]),
        prompt=event["smoke_test"]["prompt"],
        expect=event["smoke_test"]["expect"],
        context_length=event["context_length"],
        entered_at=datetime.fromisoformat(event["entered_at"]),
        now=lambda: datetime.now(UTC),
    )
    logger.info("answered", latency_seconds=result.latency_seconds)
    return result.to_dict()
