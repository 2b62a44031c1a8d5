"""Validate Repository: turns the input into a plan, or a refusal with every finding."""

from __future__ import annotations

import functools
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger

from model_import.assessment.assess import assess
from model_import.aws.refusals import ACCOUNT_CALLS
from model_import.errors import ModelNotImportableError
from model_import.preflight.account import AccountClients, check_account
from model_import.preflight.licence import LicenceRules
from model_import.request.input import ImportRequest
from model_import.request.tagging import merge_tags, read_stack_tags
from model_import.sources.hub.snapshot import read_snapshot
from stack.clients import bedrock, hub_token, settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_cloudformation import CloudFormationClient

logger = Logger()


@functools.cache
def account_clients() -> AccountClients:
    """Return the clients that read the account."""
    return AccountClients(
        bedrock(),
        boto3.client("service-quotas", config=ACCOUNT_CALLS),
    )


@functools.cache
def cloudformation() -> CloudFormationClient:
    """Return the client that reads the stack."""
    return boto3.client("cloudformation", config=ACCOUNT_CALLS)


@logger.inject_lambda_context
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Return the plan, the findings, and a refusal if a finding is an error."""
    logger.append_keys(execution_arn=event["execution_arn"])
    request = ImportRequest.from_input(event["input"])
    stack_tags = read_stack_tags(cloudformation(), settings().stack_id)
    request = replace(request, tags=merge_tags(stack_tags, request.tags))
    snapshot = read_snapshot(
        settings().hub_endpoint, request.repo_id, request.revision, token=hub_token()
    )
    assessment = assess(
        request,
        snapshot,
        settings().region,
        hub_token=hub_token(),
        hub_ca_bundle=settings().hub_ca_bundle,
        licences=LicenceRules.of(settings().licences_allowed, settings().licences_denied),
        check_account=lambda wanted: check_account(account_clients(), wanted),
        megabytes_per_second=settings().megabytes_per_second,
    )
    verdict, refusal = assessment.verdict, assessment.refusal
    logger.info("verdict", importable=verdict.importable, **verdict.figures.to_dict())
    return {
        "plan": assessment.plan.to_dict(),
        "findings": [asdict(finding) for finding in verdict.shown_findings()],
        "refusal": None
        if refusal is None
        else {"Error": ModelNotImportableError.__name__, "Cause": refusal},
    }
