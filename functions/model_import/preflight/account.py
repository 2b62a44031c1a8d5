"""Checks the account and the Region: names, quotas, permissions and earlier imports."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from model_import.bedrock.account import (
    JOBS_QUOTA,
    MODELS_QUOTA,
    read_models,
    read_quota,
    read_running_jobs,
)
from model_import.bedrock.rules import bedrock_rules
from model_import.errors import PermissionMissingError
from model_import.findings.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_service_quotas import ServiceQuotasClient

    from model_import.bedrock.account import ImportedModel, QuotaValue, RunningJob
    from model_import.findings.catalogue import Severity
    from model_import.request.wanted_import import WantedImport

_ACCOUNT: Final = "account"


@dataclass(frozen=True, slots=True)
class AccountClients:
    """The clients that read the account."""

    bedrock: BedrockClient
    quotas: ServiceQuotasClient


def check_region(region: str) -> Iterator[Finding]:
    """Yield a finding if Custom Model Import is not available in `region`, that of the import."""
    accepted = bedrock_rules().regions
    if region not in accepted:
        yield Finding.of(
            "REGION_UNSUPPORTED",
            region,
            found="Custom Model Import is not available in this Region",
            accepted=f"Regions: {', '.join(accepted)}.",
        )


def check_account(
    clients: AccountClients, wanted: WantedImport, *, must_know: bool = True
) -> list[Finding]:
    """Return what prevents this import in the account, or makes it unnecessary.

    If the caller `must_know` the models of the account, a missing permission refuses the import.

    Raises:
        AwsUnavailableError: Bedrock did not answer, so earlier imports are not known.
    """
    if clients.bedrock.meta.region_name not in bedrock_rules().regions:
        return []
    try:
        models, jobs = read_models(clients.bedrock), read_running_jobs(clients.bedrock)
    except PermissionMissingError as error:
        return [_permission_missing(error.action, "error" if must_know else "warning")]
    if model := wanted.find(models):
        return [_already_imported(model)]
    if job := wanted.find(jobs):
        return [_being_imported(job)]
    findings = list(_check_name(wanted, models, jobs))
    findings += [_imported_by_another_name(model) for model in models if wanted.has_source(model)][
        :1
    ]
    quotas = [read_quota(clients.quotas, code) for code in (MODELS_QUOTA, JOBS_QUOTA)]
    findings += _check_model_quota(quotas[0], models, jobs)
    findings += _check_import_slot(quotas[1], jobs)
    denied = dict.fromkeys(quota.denied for quota in quotas if quota.denied)
    return findings + [_quota_unreadable(action) for action in denied]


def account_not_checked(reason: str) -> Finding:
    """Return the finding for a check without access to an account."""
    return Finding.of(
        "ACCOUNT_NOT_CHECKED",
        _ACCOUNT,
        found=f"Name, quotas and running import jobs were not checked: {reason.rstrip('.')}",
        accepted="An execution checks them before it transfers any file.",
    )


def _permission_missing(action: str, severity: Severity) -> Finding:
    finding = Finding.of(
        "PERMISSION_MISSING",
        f"IAM: {action}",
        found=f"IAM does not allow {action}",
        accepted="Without this permission, the check cannot find out whether the model is already "
        "imported or whether a slot is free. An unnecessary import costs a slot and storage.",
        remedy=f"Allow {action} for the role or user that makes the call.",
    )
    return replace(finding, severity=severity)


def _quota_unreadable(action: str) -> Finding:
    return Finding.of(
        "QUOTA_UNREADABLE",
        f"IAM: {action}",
        found=f"IAM does not allow {action}, so the account's own quota is not known",
        accepted="The default quota was assumed. The account may have another.",
        remedy=f"Allow {action} for the role or user that makes the call.",
    )


def _already_imported(model: ImportedModel) -> Finding:
    return Finding.of(
        "MODEL_ALREADY_IMPORTED",
        f"imported model {model.model_name}",
        found=f"This commit of the repository is already imported, as {model.arn}",
        accepted="A commit is imported once. An execution returns this model without a transfer.",
    )


def _imported_by_another_name(model: ImportedModel) -> Finding:
    return Finding.of(
        "MODEL_IMPORTED_BY_ANOTHER_NAME",
        f"imported model {model.model_name}",
        found=f"This commit of the repository is already imported, as {model.arn}",
        accepted="The specified model_name is another, so the commit is imported again.",
    )


def _being_imported(job: RunningJob) -> Finding:
    return Finding.of(
        "MODEL_BEING_IMPORTED",
        f"import job {job.name}",
        found=f"An import job for this commit of the repository is running, as {job.model_name}",
        accepted="A commit is imported once. An execution joins this job, without a transfer.",
    )


def _check_name(
    wanted: WantedImport, models: tuple[ImportedModel, ...], jobs: tuple[RunningJob, ...]
) -> Iterator[Finding]:
    owners = [
        f"{model.arn} has this name, but was not imported from this commit"
        for model in models
        if model.model_name == wanted.model_name
    ] + [
        f"Import job {job.name} uses this name, but does not import this commit"
        for job in jobs
        if job.model_name == wanted.model_name
    ]
    for found in owners[:1]:
        yield Finding.of(
            "MODEL_NAME_TAKEN",
            f"model_name {wanted.model_name}",
            found=found,
            accepted="A name that is unique in the account and Region.",
        )


def _check_model_quota(
    quota: QuotaValue, models: tuple[ImportedModel, ...], jobs: tuple[RunningJob, ...]
) -> Iterator[Finding]:
    names = sorted(model.model_name for model in models)
    names += [f"{job.model_name} (being imported)" for job in jobs]
    if len(names) >= quota.value:
        finding = Finding.of(
            "MODEL_QUOTA_FULL",
            f"quota {MODELS_QUOTA}",
            found="",
            accepted=f"{quota.name}: {quota.value} ({quota.origin}).",
        )
        # Finding.of would shorten the list of names from which the reader chooses one to delete.
        taken = f"{len(names)} of {quota.value} slots are taken, by {', '.join(names)}"
        yield replace(finding, found=taken)


def _check_import_slot(quota: QuotaValue, jobs: tuple[RunningJob, ...]) -> Iterator[Finding]:
    if len(jobs) >= quota.value:
        yield Finding.of(
            "IMPORT_SLOT_TAKEN",
            f"quota {JOBS_QUOTA}",
            found=f"Import job {', '.join(job.name for job in jobs)} is running",
            accepted=f"{quota.name}: {quota.value} ({quota.origin}).",
        )
