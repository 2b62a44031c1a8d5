"""Prepare Repository: the plan to staged small files, a manifest and slices of the weights."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger

from model_import.assessment.plan import Plan
from model_import.aws.bucket_owner import expecting_owner
from model_import.preparation.prepare import prepare
from model_import.request.tagging import object_tagging
from model_import.sources.hub.files import HubFiles
from model_import.sources.hub.snapshot import read_snapshot
from model_import.sources.hub.token import read_hub_token
from stack.settings import Settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_s3 import S3Client

logger = Logger()


@functools.cache
def settings() -> Settings:
    """Return the settings of this function."""
    return Settings.from_environ(os.environ)


@functools.cache
def hub_token() -> str | None:
    """Return the Hub token, or None when the stack has none."""
    arn = settings().hub_token_secret_arn
    return read_hub_token(boto3.client("secretsmanager"), arn) if arn else None


@functools.cache
def s3() -> S3Client:
    """Return the S3 client."""
    return expecting_owner(boto3.client("s3"), settings().account_id)


@logger.inject_lambda_context
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Return where the manifest and the model's prefix are, and the slices with their tasks."""
    plan = Plan.from_dict(event["plan"])
    wanted = plan.wanted
    logger.append_keys(execution_name=event["execution_name"], repo_id=wanted.repo_id)
    snapshot = read_snapshot(
        settings().hub_endpoint, wanted.repo_id, wanted.commit, token=hub_token()
    )
    prepared = prepare(
        snapshot,
        HubFiles(snapshot.source, hub_token()),
        s3(),
        bucket=settings().staging_bucket,
        tagging=object_tagging(plan.tags),
        execution_name=event["execution_name"],
        model_name=wanted.model_name,
        normalising=wanted.normalise,
        fan_out=settings().fan_out,
    )
    logger.info("prepared", manifest_uri=prepared.manifest_uri, slices=len(prepared.tasks))
    return {
        "manifest_uri": prepared.manifest_uri,
        "s3_uri": prepared.manifest.staging.s3_uri,
        # ECS takes sizes, and environments, as strings.
        "slices": [
            {
                "uri": task.uri,
                "cpu": str(task.size.cpu_units),
                "memory": str(task.size.memory_mib),
                "connections": str(task.size.connections),
            }
            for task in prepared.tasks
        ],
    }
