"""Import jobs and imported models: the calls of the `bedrock` endpoint.

It has no threads: each call ends the jobs that are due. It is not thread-safe: the caller holds a
lock.

Recorded wordings: the role's ARN is invalid, a model's name «already exists», the quotas' names and
the advice to request an increase. The other messages are not Bedrock's wording.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from local.bedrock.custom_model_units import custom_model_units
from local.bedrock.errors import BedrockError, not_found_error, validation_error
from local.bedrock.import_job import Checkpoint, ImportRefusedError
from model_import.bedrock.rules import bedrock_rules
from model_import.chat.template import find_chat_template

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from local.bedrock.settings import BedrockSettings

    type Request = Mapping[str, Any]
    type Answer = dict[str, Any]

IMPORTED_MODELS_QUOTA = "L-45B04988"
CONCURRENT_JOBS_QUOTA = "L-5F098EFA"
FAILURE_MESSAGE_CHARACTERS_AT_MOST = 2048
PAGE_SIZE = 100
_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class ImportJob:
    """One import job, which cannot be stopped or deleted."""

    arn: str
    name: str
    request: Request
    created: datetime
    polls: int = 0
    status: Literal["InProgress", "Completed", "Failed"] = "InProgress"
    failure_message: str | None = None
    ended: datetime | None = None
    model_arn: str | None = None

    @property
    def model_name(self) -> str:
        """Return the name of the imported model, even before it exists."""
        return str(self.request["importedModelName"])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class ImportedModel:
    """A model that can be invoked; models are compared by identity."""

    arn: str
    name: str
    job: ImportJob
    created: datetime
    checkpoint: Checkpoint
    instruct_supported: bool


@dataclass(slots=True)
class ControlPlane:
    """The jobs, models and tags of one account in one Region.

    `import_checkpoint` reads an S3 URI as an import job does. `role_exists`, if given, returns
    whether IAM has a role with the ARN.
    """

    region: str
    account_id: str
    import_checkpoint: Callable[[str], Checkpoint]
    settings: BedrockSettings
    role_exists: Callable[[str], bool] | None
    _jobs: dict[str, ImportJob] = field(default_factory=dict)
    _models: dict[str, ImportedModel] = field(default_factory=dict)
    _tags: dict[str, dict[str, str]] = field(default_factory=dict)
    _role_refusals: int = 0

    def create_model_import_job(self, request: Request) -> Answer:
        """Start an import job, unless the client token was used before."""
        self._end_due_jobs()
        token = request.get("clientRequestToken")
        for job in self._jobs.values():
            if token is not None and job.request.get("clientRequestToken") == token:
                return {"jobArn": job.arn}
        self._refuse_region()
        self._refuse_role(request["roleArn"])
        self._refuse_names(request)
        self._refuse_over_quota()
        job = ImportJob(
            arn=self._new_arn("model-import-job", len(self._jobs)),
            name=request["jobName"],
            request=request,
            created=self.settings.clock(),
        )
        self._set_tags(job.arn, request.get("jobTags", []))
        _refuse_too_many_tags(job.arn, request.get("importedModelTags", []))
        self._jobs[job.arn] = job
        return {"jobArn": job.arn}

    def get_model_import_job(self, request: Request) -> Answer:
        """Return a job by ARN or name, and count the poll."""
        job = self._job(request["jobIdentifier"])
        job.polls += 1
        self._end_due_jobs()
        return _without_none(
            _job_summary(job)
            | {
                "roleArn": job.request["roleArn"],
                "modelDataSource": job.request["modelDataSource"],
                "failureMessage": job.failure_message,
                "vpcConfig": job.request.get("vpcConfig"),
                "importedModelKmsKeyArn": self._kms_key_arn(job),
            }
        )

    def list_model_import_jobs(self, request: Request) -> Answer:
        """Return a page of the jobs that match the filters."""
        self._end_due_jobs()
        status = request.get("statusEquals")
        jobs = [job for job in self._jobs.values() if status in (None, job.status)]
        page, token = _page(jobs, request)
        summaries = [_without_none(_job_summary(job)) for job in page]
        return _without_none({"modelImportJobSummaries": summaries, "nextToken": token})

    def get_imported_model(self, request: Request) -> Answer:
        """Return a model by ARN or name."""
        self._end_due_jobs()
        model = self._model(request["modelIdentifier"])
        return _without_none(
            _model_summary(model)
            | {
                "jobName": model.job.name,
                "jobArn": model.job.arn,
                "modelDataSource": model.job.request["modelDataSource"],
                "modelKmsKeyArn": self._kms_key_arn(model.job),
                "customModelUnits": custom_model_units(
                    model.checkpoint.model_type, model.checkpoint.parameters
                ),
            }
        )

    def list_imported_models(self, request: Request) -> Answer:
        """Return a page of the models that match the filters."""
        self._end_due_jobs()
        page, token = _page(list(self._models.values()), request)
        summaries = [_model_summary(model) for model in page]
        return _without_none({"modelSummaries": summaries, "nextToken": token})

    def delete_imported_model(self, request: Request) -> Answer:
        """Delete a model; its job remains."""
        self._end_due_jobs()
        model = self._model(request["modelIdentifier"])
        del self._models[model.arn]
        self._tags.pop(model.arn, None)
        return {}

    def list_tags_for_resource(self, request: Request) -> Answer:
        """Return the tags of a job or model."""
        tags = self._tags_of(request["resourceARN"])
        return {"tags": [{"key": key, "value": value} for key, value in tags.items()]}

    def tag_resource(self, request: Request) -> Answer:
        """Add tags to a job or model, or change their values."""
        self._tags_of(request["resourceARN"])
        self._set_tags(request["resourceARN"], request["tags"])
        return {}

    def untag_resource(self, request: Request) -> Answer:
        """Remove tags of a job or model."""
        tags = self._tags_of(request["resourceARN"])
        for key in request["tagKeys"]:
            tags.pop(key, None)
        return {}

    def model_to_invoke(self, model_id: str) -> ImportedModel:
        """Return the model that an invocation names.

        Raises:
            BedrockError: ValidationException for anything but the ARN of an imported model,
                ResourceNotFoundException for one that does not exist.
        """
        self._end_due_jobs()
        if not re.fullmatch(r"arn:aws[^:]*:bedrock:[^:]+:\d{12}:imported-model/\w+", model_id):
            raise validation_error("The provided model identifier is invalid.")
        return self._model(model_id)

    def _end_due_jobs(self) -> None:
        for job in self._jobs.values():
            if job.status == "InProgress" and self._is_due(job):
                self._end(job)

    def _is_due(self, job: ImportJob) -> bool:
        seconds = (self.settings.clock() - job.created).total_seconds()
        return job.polls >= self.settings.polls or seconds >= self.settings.import_seconds

    def _end(self, job: ImportJob) -> None:
        try:
            s3_uri = job.request["modelDataSource"]["s3DataSource"]["s3Uri"]
            job.model_arn = self._add_model(job, self.import_checkpoint(s3_uri)).arn
        except ImportRefusedError as error:
            job.failure_message = str(error)[:FAILURE_MESSAGE_CHARACTERS_AT_MOST]
        except Exception:
            # A file with an unforeseen defect must end the job, and not fail every call.
            _LOGGER.exception("import job %s", job.name)
            job.failure_message = "An internal error occurred while the model was imported."
        job.status = "Completed" if job.model_arn else "Failed"
        job.ended = self.settings.clock()

    def _add_model(self, job: ImportJob, checkpoint: Checkpoint) -> ImportedModel:
        template = find_chat_template(checkpoint.files, checkpoint.tokenizer_config)
        converses = checkpoint.model_type in self.settings.converse_model_types
        model = ImportedModel(
            arn=self._new_arn("imported-model", len(self._jobs)),
            name=job.model_name,
            job=job,
            created=self.settings.clock(),
            checkpoint=checkpoint,
            instruct_supported=converses and template is not None,
        )
        self._models[model.arn] = model
        self._set_tags(model.arn, job.request.get("importedModelTags", []))
        return model

    def _refuse_region(self) -> None:
        regions = bedrock_rules().regions
        if self.region not in regions:
            raise validation_error(
                f"Custom Model Import is not available in {self.region}. It is in "
                f"{', '.join(regions)}."
            )

    def _refuse_role(self, role_arn: str) -> None:
        not_ready = self._role_refusals < self.settings.role_not_ready_times
        if not_ready:
            self._role_refusals += 1
        if not_ready or (self.role_exists is not None and not self.role_exists(role_arn)):
            raise validation_error("The provided role ARN is invalid")

    def _refuse_names(self, request: Request) -> None:
        job_name, model_name = request["jobName"], request["importedModelName"]
        if any(job.name == job_name for job in self._jobs.values()):
            raise BedrockError(
                "ConflictException", f"A model import job with the name {job_name} already exists."
            )
        if any(model.name == model_name for model in self._models.values()):
            raise validation_error(f"An imported model with the name {model_name} already exists.")

    def _refuse_over_quota(self) -> None:
        running = sum(job.status == "InProgress" for job in self._jobs.values())
        self._refuse_beyond(CONCURRENT_JOBS_QUOTA, running)
        self._refuse_beyond(IMPORTED_MODELS_QUOTA, len(self._models) + running)

    def _refuse_beyond(self, quota_code: str, used: int) -> None:
        quota = bedrock_rules().quota(quota_code)
        value = self.settings.quotas.get(quota_code, quota.default)
        if used >= value:
            # Bedrock also advises an increase of the first quota, which is not adjustable.
            raise BedrockError(
                "ServiceQuotaExceededException",
                f"Your account {self.account_id} has reached the quota {quota.name} "
                f"({value}) in {self.region}. Try again later, or request a quota "
                "increase in Service Quotas.",
            )

    def _job(self, identifier: str) -> ImportJob:
        for job in self._jobs.values():
            if identifier in (job.arn, job.name):
                return job
        raise not_found_error(f"The model import job {identifier} does not exist.")

    def _model(self, identifier: str) -> ImportedModel:
        for model in self._models.values():
            if identifier in (model.arn, model.name):
                return model
        raise not_found_error(f"The imported model {identifier} does not exist.")

    def _tags_of(self, arn: str) -> dict[str, str]:
        self._end_due_jobs()
        if arn not in self._jobs and arn not in self._models:
            raise not_found_error(f"The resource {arn} does not exist.")
        return self._tags[arn]

    def _set_tags(self, arn: str, tags: Sequence[Mapping[str, str]]) -> None:
        merged = self._tags.get(arn, {}) | {tag["key"]: tag["value"] for tag in tags}
        _refuse_too_many_tags(arn, merged)
        self._tags[arn] = merged

    def _new_arn(self, kind: str, number: int) -> str:
        seed = f"{self.region}/{self.account_id}/{kind}/{number}"
        identifier = hashlib.blake2b(seed.encode(), digest_size=6).hexdigest()
        return f"arn:aws:bedrock:{self.region}:{self.account_id}:{kind}/{identifier}"

    def _kms_key_arn(self, job: ImportJob) -> str | None:
        """Return the ARN of a key that is given by ARN or id; aliases are not resolved."""
        key = str(job.request.get("importedModelKmsKeyId", ""))
        if ":key/" in key:
            return key
        if re.fullmatch(r"[a-zA-Z0-9-]{36}", key):
            return f"arn:aws:kms:{self.region}:{self.account_id}:key/{key}"
        return None


def _job_summary(job: ImportJob) -> Answer:
    return {
        "jobArn": job.arn,
        "jobName": job.name,
        "status": job.status,
        "creationTime": job.created,
        "lastModifiedTime": job.ended or job.created,
        "endTime": job.ended,
        "importedModelArn": job.model_arn,
        "importedModelName": job.model_name,
    }


def _model_summary(model: ImportedModel) -> Answer:
    return {
        "modelArn": model.arn,
        "modelName": model.name,
        "creationTime": model.created,
        "instructSupported": model.instruct_supported,
        "modelArchitecture": model.checkpoint.model_type,
    }


def _page[T: (ImportJob, ImportedModel)](
    items: list[T], request: Request
) -> tuple[list[T], str | None]:
    """Return one page of a list's items, newest first unless asked otherwise, and a token."""
    after, before = request.get("creationTimeAfter"), request.get("creationTimeBefore")
    found = [
        item
        for item in items
        if request.get("nameContains", "") in item.name
        and (after is None or item.created > after)
        and (before is None or item.created < before)
    ]
    # Items are in the order of their creation.
    if request.get("sortOrder", "Descending") == "Descending":
        found.reverse()
    start = _offset(request.get("nextToken"))
    end = start + int(request.get("maxResults", PAGE_SIZE))
    token = base64.urlsafe_b64encode(str(end).encode()).decode() if end < len(found) else None
    return found[start:end], token


def _offset(token: str | None) -> int:
    try:
        return int(base64.urlsafe_b64decode(token)) if token else 0
    except (ValueError, binascii.Error) as error:
        raise validation_error("The provided nextToken is invalid.") from error


def _refuse_too_many_tags(arn: str, tags: Sequence[object] | Mapping[str, str]) -> None:
    most = bedrock_rules().tags_at_most
    if len(tags) > most:
        raise BedrockError("TooManyTagsException", f"{arn} would have more than {most} tags.")


def _without_none(answer: Answer) -> Answer:
    return {name: value for name, value in answer.items() if value is not None}
