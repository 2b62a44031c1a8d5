"""Decides whether an execution imports, waits, joins a running job or uses an existing model."""

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
    """An action, with the job to start or join, the model to use or the execution to wait for."""

    action: Literal["import", "join", "use", "wait"]
    job_name: str | None = None
    model_arn: str | None = None
    holder: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that the state machine keeps."""
        return asdict(self)


def decide(
    wanted: WantedImport,
    claims: Claims,
    bedrock: BedrockClient,
    *,
    execution_arn: str,
    started: datetime,
) -> ImportDecision:
    """Decide for an execution that was started at `started`; a retry is safe.

    The claim comes first: its previous holder has ended, so its models and jobs are visible.

    Raises:
        PermissionMissingError: IAM does not allow a read that the decision needs.
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
    """Return the decision that an earlier job for this import implies, or None."""
    if attempt.status == "Completed":
        # The list may not show the model yet, or the model was deleted and is imported again.
        exists = attempt.model_arn is not None and has_model(bedrock, attempt.model_arn)
        return ImportDecision("use", model_arn=attempt.model_arn) if exists else None
    # A job that failed after this execution started fails this execution too, without a retry.
    if attempt.status == "InProgress" or attempt.created >= started:
        return ImportDecision("join", job_name=attempt.name)
    return None
