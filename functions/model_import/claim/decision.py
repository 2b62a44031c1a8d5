"""Whether an execution is to import, to wait for another, to join its job or to use its model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from model_import.bedrock.account import has_model, read_models, read_past_jobs, read_running_jobs

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_bedrock import BedrockClient

    from model_import.bedrock.account import PastJob
    from model_import.claim.claims import Claims
    from model_import.request.wanted_import import WantedImport


@dataclass(frozen=True, slots=True)
class ImportDecision:
    """What is to be done; `job_name` to import or to join, `model_arn` to use, `holder` to wait."""

    action: Literal["import", "join", "use", "wait"]
    job_name: str | None = None
    model_arn: str | None = None
    holder: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as the states carry it."""
        return asdict(self)


def decide(
    wanted: WantedImport,
    claims: Claims,
    bedrock: BedrockClient,
    *,
    execution_arn: str,
    started: datetime,
) -> ImportDecision:
    """Decide for an execution that was started at `started`; asking again is harmless.

    The claim comes first: whoever had it before has ended, and what they did can be seen.

    Raises:
        PermissionMissingError: Something that must be known may not be read.
        AwsUnavailableError: AWS did not answer.
    """
    holder = claims.claim(wanted.source_path, execution_arn)
    if model := wanted.find(read_models(bedrock)):
        return ImportDecision("use", model_arn=model.arn)
    if job := wanted.find(read_running_jobs(bedrock)):
        return ImportDecision("join", job_name=job.name)
    if holder != execution_arn:
        return ImportDecision("wait", holder=holder)
    attempts = read_past_jobs(bedrock, wanted.key)
    for attempt in attempts:
        if decision := _decision_from(attempt, bedrock, started):
            return decision
    return ImportDecision("import", job_name=wanted.job_name(len(attempts) + 1))


def _decision_from(
    attempt: PastJob, bedrock: BedrockClient, started: datetime
) -> ImportDecision | None:
    """Return what an earlier job for this import leaves to do, None if it left nothing."""
    if attempt.status == "Completed":
        # The lists may not have the model yet; or it was deleted, and is wanted again.
        there = attempt.model_arn is not None and has_model(bedrock, attempt.model_arn)
        return ImportDecision("use", model_arn=attempt.model_arn) if there else None
    # A job that failed since this execution began has failed for it too; it does not try again.
    if attempt.status == "InProgress" or attempt.created >= started:
        return ImportDecision("join", job_name=attempt.name)
    return None
