"""What the account and the Region have to say: names, quotas, permissions, imports of before."""

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
    """What the account is read with."""

    bedrock: BedrockClient
    quotas: ServiceQuotasClient


def check_region(region: str) -> Iterator[Finding]:
    """Yield the finding that refuses a Region; the import would run in `region`."""
    accepted = bedrock_rules().regions
    if region not in accepted:
        yield Finding.of(
            "REGION_UNSUPPORTED",
            region,
            found="Custom Model Import does not exist in this Region",
            accepted=f"Regions: {', '.join(accepted)}.",
        )


def check_account(
    clients: AccountClients, wanted: WantedImport, *, must_know: bool = True
) -> list[Finding]:
    """Return what stands in the way of this import in the account, or makes it unnecessary.

    What IAM does not let the caller see refuses the import where the caller `must_know`.

    Raises:
        AwsUnavailableError: Bedrock did not answer: whether it was imported before is not known.
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
    findings += [_imported_otherwise(model) for model in models if wanted.has_source(model)][:1]
    quotas = [read_quota(clients.quotas, code) for code in (MODELS_QUOTA, JOBS_QUOTA)]
    findings += _check_model_quota(quotas[0], models, jobs)
    findings += _check_import_slot(quotas[1], jobs)
    denied = dict.fromkeys(quota.denied for quota in quotas if quota.denied)
    return findings + [_quota_unreadable(action) for action in denied]


def account_not_checked(reason: str) -> Finding:
    """Return the finding of a check without access to an account."""
    return Finding.of(
        "ACCOUNT_NOT_CHECKED",
        _ACCOUNT,
        found=f"Name, quotas and running imports were not checked: {reason.rstrip('.')}",
        accepted="An execution checks them before anything is moved.",
    )


def _permission_missing(action: str, severity: Severity) -> Finding:
    finding = Finding.of(
        "PERMISSION_MISSING",
        f"IAM: {action}",
        found=f"IAM does not allow {action}",
        accepted="Without it nobody can tell whether this model was imported before, or whether "
        "there is room for it; an import that is not needed costs a slot and storage.",
        remedy=f"Allow {action} to the role or user that runs this.",
    )
    return replace(finding, severity=severity)


def _quota_unreadable(action: str) -> Finding:
    return Finding.of(
        "QUOTA_UNREADABLE",
        f"IAM: {action}",
        found=f"IAM does not allow {action}: the account's own quota is not known",
        accepted="The default was assumed, and the account may have another.",
        remedy=f"Allow {action} to the role or user that runs this.",
    )


def _already_imported(model: ImportedModel) -> Finding:
    return Finding.of(
        "MODEL_ALREADY_IMPORTED",
        f"imported model {model.model_name}",
        found=f"This commit of the repository was imported before, as {model.arn}",
        accepted="A commit is imported once: an execution ends with this model, and moves nothing.",
    )


def _imported_otherwise(model: ImportedModel) -> Finding:
    return Finding.of(
        "MODEL_IMPORTED_BY_ANOTHER_NAME",
        f"imported model {model.model_name}",
        found=f"This commit of the repository was imported before, as {model.arn}",
        accepted="The model_name that was given is another, so this is imported beside it.",
    )


def _being_imported(job: RunningJob) -> Finding:
    return Finding.of(
        "MODEL_BEING_IMPORTED",
        f"import job {job.name}",
        found=f"This commit of the repository is being imported, as {job.model_name}",
        accepted="A commit is imported once: an execution joins that job, and moves nothing.",
    )


def _check_name(
    wanted: WantedImport, models: tuple[ImportedModel, ...], jobs: tuple[RunningJob, ...]
) -> Iterator[Finding]:
    owners = [
        f"{model.arn} has this name, and was not imported from this commit"
        for model in models
        if model.model_name == wanted.model_name
    ] + [
        f"Import job {job.name} makes a model of this name, and not from this commit"
        for job in jobs
        if job.model_name == wanted.model_name
    ]
    for found in owners[:1]:
        yield Finding.of(
            "MODEL_NAME_TAKEN",
            f"model_name {wanted.model_name}",
            found=found,
            accepted="A name is used once in an account and Region.",
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
        # Every name, however many: one of them is to go.
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
