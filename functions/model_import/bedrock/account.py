"""What an account has of imported models and import jobs in one Region, and its quotas.

What cannot be read is never taken for absent: a model that is overlooked is imported twice.
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
    """A model of the account."""

    model_name: str
    arn: str
    tags: dict[str, str]


@dataclass(frozen=True, slots=True)
class RunningJob:
    """An import job that is in progress; `model_name` is what its model will be called."""

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
    """A quota as far as it could be read: `origin` says whose figure it is.

    `denied` is the IAM action without which the account's own figure stays unknown.
    """

    name: str
    value: int
    origin: str
    denied: str | None = None


def read_models(bedrock: BedrockClient) -> tuple[ImportedModel, ...]:
    """Return every imported model, with its tags.

    Raises:
        PermissionMissingError: The caller may not list models or read tags.
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
        PermissionMissingError: The caller may not list jobs or read tags.
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
    """Return the jobs, running or ended, that have a text in their name.

    Raises:
        PermissionMissingError: The caller may not list jobs.
        AwsUnavailableError: Bedrock did not answer.
    """
    with translate_aws_errors("bedrock"):
        pages = bedrock.get_paginator("list_model_import_jobs").paginate(nameContains=name_part)
        return tuple(_past_job(job) for page in pages for job in page["modelImportJobSummaries"])


def has_model(bedrock: BedrockClient, model_arn: str) -> bool:
    """Return whether a model is there still.

    Raises:
        PermissionMissingError: The caller may not look at models.
        AwsUnavailableError: Bedrock did not answer.
    """
    with translate_aws_errors("bedrock"):
        try:
            bedrock.get_imported_model(modelIdentifier=model_arn)
        except bedrock.exceptions.ResourceNotFoundException:
            return False
    return True


def read_quota(quotas: ServiceQuotasClient, code: str) -> QuotaValue:
    """Return a quota of Bedrock: the account's own, else AWS's default, else what the data says."""
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
    """Return the tags of each resource, None for one that was deleted meanwhile."""

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
