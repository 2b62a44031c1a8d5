"""Validate Repository: the input of an execution to a plan, or to a refusal with every finding."""

from __future__ import annotations

import functools
import os
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger

from model_import.assessment.plan import Plan
from model_import.aws.refusals import ACCOUNT_CALLS
from model_import.errors import ModelNotImportableError
from model_import.forecast.estimate import forecast
from model_import.preflight.account import AccountClients, check_account
from model_import.preflight.conversions import find_conversion
from model_import.preflight.judge import judge
from model_import.request.input import ImportRequest
from model_import.request.tagging import joined_tags, read_stack_tags
from model_import.request.wanted_import import WantedImport
from model_import.sources.hub.files import HubFiles
from model_import.sources.hub.snapshot import read_snapshot
from model_import.sources.hub.token import read_hub_token
from stack.settings import Settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_cloudformation import CloudFormationClient

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
def account_clients() -> AccountClients:
    """Return the clients that read the account."""
    return AccountClients(
        boto3.client("bedrock", config=ACCOUNT_CALLS),
        boto3.client("service-quotas", config=ACCOUNT_CALLS),
    )


@functools.cache
def cloudformation() -> CloudFormationClient:
    """Return the client that reads the stack."""
    return boto3.client("cloudformation", config=ACCOUNT_CALLS)


@logger.inject_lambda_context
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Return the plan, the findings, and a refusal when one of them is an error."""
    logger.append_keys(execution_arn=event["execution_arn"])
    request = ImportRequest.from_input(event["input"])
    stack_tags = read_stack_tags(cloudformation(), settings().stack_id)
    request = replace(request, tags=joined_tags(stack_tags, request.tags))
    snapshot = read_snapshot(
        settings().hub_endpoint, request.repo_id, request.revision, token=hub_token()
    )
    wanted = WantedImport.of(request, snapshot.source)
    verdict = judge(
        snapshot,
        HubFiles(snapshot.source, hub_token()),
        settings().region,
        normalising=request.normalise,
        licences=settings().licences,
        find_conversion=lambda: find_conversion(snapshot.source, token=hub_token()),
    ).joined_by(check_account(account_clients(), wanted))
    logger.info("verdict", importable=verdict.importable, **verdict.figures.to_dict())
    estimate = forecast(
        verdict.figures,
        settings().region,
        today=datetime.now(UTC).date(),
        megabytes_per_second=settings().megabytes_per_second,
    )
    return {
        "plan": Plan.of(request, snapshot, wanted, verdict.figures, estimate).to_dict(),
        "findings": [asdict(finding) for finding in verdict.shown_findings()],
        "refusal": None
        if verdict.importable
        else {
            "Error": ModelNotImportableError.__name__,
            "Cause": verdict.refusal(snapshot.source.repo_id, snapshot.source.commit),
        },
    }
