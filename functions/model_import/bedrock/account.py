"""Reads an account's imported models, import jobs and quotas in one Region.

A failed read raises and never means "none": an overlooked model would be imported twice.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from model_import.aws.refusals import translate_aws_errors
from model_import.bedrock.rules import bedrock_rules
from model_import.errors import AwsUnavailableError, PermissionMissingError

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_bedrock.type_defs import ModelImportJobSummaryTypeDef
    from mypy_boto3_service_quotas import ServiceQuotasClient

MODELS_QUOTA: Final = "L-45B04988"
JOBS_QUOTA: Final = "L-5F098EFA"
_CONCURRENT_REQUESTS: Final = 8


@dataclass(frozen=True, slots=True)
class ImportedModel:
    """An imported model of the account."""

    model_name: str
    arn: str
    tags: dict[str, str]


@dataclass(frozen=True, slots=True)
class RunningJob:
    """An import job that is in progress; `model_name` is the name of its future model."""

    name: str
    model_name: str
    tags: dict[str, str]


@dataclass(frozen=True, slots=True)
class PastJob:
    """An import job of any status."""

    name: str
    status: str
    created: datetime
    model_arn: str | None


@dataclass(frozen=True, slots=True)
class QuotaValue:
    """A quota; `origin` says where the value comes from.

    `denied` is the IAM action that is missing to read the account's own value, if one is.
    """

    name: str
    value: int
    origin: str
    denied: str | None = None


def read_models(bedrock: BedrockClient) -> tuple[ImportedModel, ...]:
    """Return every imported model, with its tags.

    Raises:
        PermissionMissingError: IAM does not allow listing models or reading tags.
        AwsUnavailableError: Bedrock did not answer.
    """
    with translate_aws_errors("bedrock"):
        pages = bedrock.get_paginator("list_imported_models").paginate()
        found = [summary for page in pages for summary in page["modelSummaries"]]
    arns = [summary["modelArn"] for summary in found]
    return tuple(
        ImportedModel(summary["modelName"], summary["modelArn"], tags)
        for summary, tags in zip(found, _read_tags(bedrock, arns), strict=True)
        if tags is not None
    )


def read_running_jobs(bedrock: BedrockClient) -> tuple[RunningJob, ...]:
    """Return every import job that is in progress, with its tags.

    Raises:
        PermissionMissingError: IAM does not allow listing jobs or reading tags.
        AwsUnavailableError: Bedrock did not answer.
    """
    with translate_aws_errors("bedrock"):
        pages = bedrock.get_paginator("list_model_import_jobs").paginate(statusEquals="InProgress")
        found = [summary for page in pages for summary in page["modelImportJobSummaries"]]
    arns = [summary["jobArn"] for summary in found]
    return tuple(
        RunningJob(summary["jobName"], summary.get("importedModelName", ""), tags or {})
        for summary, tags in zip(found, _read_tags(bedrock, arns), strict=True)
    )


def read_past_jobs(bedrock: BedrockClient, name_part: str) -> tuple[PastJob, ...]:
    """Return the jobs, running or ended, whose name contains `name_part`.

    Raises:
        PermissionMissingError: IAM does not allow listing jobs.
        AwsUnavailableError: Bedrock did not answer.
    """
    with translate_aws_errors("bedrock"):
        pages = bedrock.get_paginator("list_model_import_jobs").paginate(nameContains=name_part)
        return tuple(_past_job(job) for page in pages for job in page["modelImportJobSummaries"])


def has_model(bedrock: BedrockClient, model_arn: str) -> bool:
    """Return whether a model still exists.

    Raises:
        PermissionMissingError: IAM does not allow reading models.
        AwsUnavailableError: Bedrock did not answer.
    """
    with translate_aws_errors("bedrock"):
        try:
            bedrock.get_imported_model(modelIdentifier=model_arn)
        except bedrock.exceptions.ResourceNotFoundException:
            return False
    return True


def read_quota(quotas: ServiceQuotasClient, code: str) -> QuotaValue:
    """Return a quota of Bedrock: the account's own, else AWS's default, else that of the rules."""
    quota = bedrock_rules().quota(code)
    request = {"ServiceCode": "bedrock", "QuotaCode": code}
    denied = None
    for read, origin in (
        (quotas.get_service_quota, "the account's own figure"),
        (
            quotas.get_aws_default_service_quota,
            "AWS's default for every account",
        ),
    ):
        try:
            with translate_aws_errors("servicequotas"):
                value = int(read(**request)["Quota"]["Value"])
        except PermissionMissingError as error:
            denied = denied or error.action
        except AwsUnavailableError:
            pass
        else:
            return QuotaValue(quota.name, value, origin, denied)
    origin = f"the default as of {quota.date}; Service Quotas could not be read"
    return QuotaValue(quota.name, quota.default, origin, denied)


def _read_tags(bedrock: BedrockClient, arns: list[str]) -> list[dict[str, str] | None]:
    """Return the tags of each resource; None if it was deleted meanwhile."""

    def read(arn: str) -> dict[str, str] | None:
        try:
            tags = bedrock.list_tags_for_resource(resourceARN=arn)["tags"]
        except bedrock.exceptions.ResourceNotFoundException:
            return None
        return {tag["key"]: tag["value"] for tag in tags}

    with translate_aws_errors("bedrock"), ThreadPoolExecutor(_CONCURRENT_REQUESTS) as pool:
        return list(pool.map(read, arns))


def _past_job(summary: ModelImportJobSummaryTypeDef) -> PastJob:
    return PastJob(
        name=summary["jobName"],
        status=summary["status"],
        created=summary["creationTime"],
        model_arn=summary.get("importedModelArn"),
    )
