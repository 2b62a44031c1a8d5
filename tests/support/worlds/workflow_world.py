"""A local AWS in which executions of the state machine take no time, and any call can fail."""

from __future__ import annotations

import json
import math
import uuid
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import boto3
from support.checkpoints.tiny_checkpoint import tiny_checkpoint

from local.aws.announcements import Announcements
from local.aws.aws_server import Fault
from local.aws.moto_engine import Pace
from local.bedrock import BedrockSettings
from local.deployment.execution import Execution, Outcome
from local.deployment.local_aws import LocalAws, LocalSettings
from model_import_cli.folder_hub.repositories import Repository
from model_import_cli.folder_hub.server import LocalHub

# `local` puts the functions' folder on the path.
from model_import.sources.hub.files import HubFiles  # isort: skip
from model_import.manifest import Slice  # isort: skip
from model_import.staging.presigned_puts import PRESIGNING  # isort: skip
from model_import.aws.records import read_record, write_record  # isort: skip
from model_import.transfer.slice_transfer import TransferSettings, transfer_slice  # isort: skip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from local.aws.announcements import PublishedMessage

REPO_ID: Final = "acme/Tiny-1.0"
STACK_TAGS: Final = (("cost-centre", "42"), ("team", "platform"))
ANSWER: Final = "金管"


@dataclass(slots=True)
class InlineTasks:
    """ECS tasks that transfer in this process; `ends` says how the next tasks end instead.

    An end is an error name, which the task token reports, an exit code without a report, or None
    for a task that hangs. `ends_of_slice` has the ends for one slice, by its number. `requests` are
    the requests of RunTask.
    """

    aws: LocalAws
    ends: list[str | int | None] = field(default_factory=list)
    ends_of_slice: dict[int, list[str | int | None]] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    _tasks: dict[str, InlineTask] = field(default_factory=dict)

    def run(self, request: dict[str, Any]) -> InlineTask:
        """Transfer the slice and return the task, which has ended."""
        self.requests.append(request)
        override = request["overrides"]["containerOverrides"][0]
        environment = {entry["name"]: entry["value"] for entry in override["environment"]}
        ends = self.ends_of_slice.get(slice_number(request)) or self.ends
        end = ends.pop(0) if ends else 0
        failure = (end, "made to fail") if isinstance(end, str) else None
        if end == 0:
            failure = self._transfer(environment)
        task = InlineTask(
            f"{request['cluster']}/{uuid.uuid4().hex}",
            None if isinstance(end, str) else end,
            None if failure is None else partial(self._fail, environment["TASK_TOKEN"], *failure),
        )
        self._tasks[task.arn] = task
        return task

    @property
    def runs(self) -> int:
        """Return how many tasks were started."""
        return len(self.requests)

    def find(self, arn: str) -> InlineTask | None:
        return self._tasks.get(arn)

    def stop(self, arn: str, reason: str) -> InlineTask:
        """Return the task, which has already ended."""
        del reason
        return self._tasks[arn]

    def _transfer(self, environment: dict[str, str]) -> tuple[str, str] | None:
        """Transfer the slice; return the name and the cause of an error."""
        s3 = boto3.client(
            "s3", endpoint_url=self.aws.account.endpoint, region_name="us-east-1", config=PRESIGNING
        )
        slice_ = Slice.from_dict(read_record(s3, environment["SLICE_URI"]))
        hub = HubFiles(slice_.source)
        settings = TransferSettings(connections=2, spare_buffers=1)
        try:
            report = transfer_slice(slice_, hub, s3, settings, lambda _: None)
        except Exception as error:  # noqa: BLE001 – the task reports any error
            return type(error).__name__, str(error)
        finally:
            hub.close()
            s3.close()
        write_record(s3, slice_.staging.bucket, slice_.report_key, report.to_dict())
        return None

    def _fail(self, task_token: str, error: str, cause: str) -> None:
        client = self.aws.account.client("stepfunctions")
        client.send_task_failure(taskToken=task_token, error=error, cause=cause)


def bedrock_settings(**changes: Any) -> BedrockSettings:  # noqa: ANN401 its settings
    """Return settings of a Bedrock in which nothing ends by the clock."""
    return BedrockSettings(import_seconds=math.inf, idle_seconds=math.inf, **changes)


def slice_number(request: dict[str, Any]) -> int:
    """Return the number of the slice in a request of RunTask."""
    environment = request["overrides"]["containerOverrides"][0]["environment"]
    uri = next(entry["value"] for entry in environment if entry["name"] == "SLICE_URI")
    return int(uri.rpartition("/")[2].removesuffix(".json"))


@dataclass(frozen=True, slots=True)
class InlineTask:
    """A task that has ended with an exit code, or reports a failure by its token, or hangs."""

    arn: str
    exit_code: int | None
    report_failure: Callable[[], None] | None = None

    def describe(self) -> dict[str, Any]:
        """Return the task as DescribeTasks does."""
        # The state waits while it polls; it polls again if the report has not arrived yet.
        if self.report_failure is not None:
            self.report_failure()
        if self.report_failure is not None or self.exit_code is None:
            return {
                "taskArn": self.arn,
                "clusterArn": self.arn.rpartition("/")[0],
                "lastStatus": "RUNNING",
                "containers": [{"name": "transfer", "lastStatus": "RUNNING"}],
            }
        return {
            "taskArn": self.arn,
            "clusterArn": self.arn.rpartition("/")[0],
            "lastStatus": "STOPPED",
            "stoppedReason": "Essential container in task exited",
            "containers": [
                {"name": "transfer", "lastStatus": "STOPPED", "exitCode": self.exit_code}
            ],
        }


@dataclass(slots=True)
class World:
    """One local AWS and one Hub, reset for each test."""

    aws: LocalAws
    announcements: Announcements
    hub: LocalHub
    directory: Path
    tasks: InlineTasks
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    before: dict[str, Callable[[], None]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)

    def reset(self) -> None:
        """Undo what an earlier test did."""
        self.faults.clear()
        self.before.clear()
        self.calls.clear()
        self.hub.faults.clear()
        self.hub.clear_requests()
        self.aws.start_bedrock(bedrock_settings(polls=2, cold_starts=1))
        self.announcements.new(settled=True)
        self.aws.event_bus.events.clear()
        self.tasks = InlineTasks(self.aws)
        self.aws.routes.tasks = self.tasks
        self.aws.routes.fault = self._fault
        bucket, s3 = self.aws.stack.outputs["StagingBucketName"], self.aws.account.client("s3")
        if found := s3.list_objects_v2(Bucket=bucket).get("Contents"):
            keys = [{"Key": entry["Key"]} for entry in found]
            s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})

    def fail(
        self, operation: str, code: str, message: str = "made to fail", times: int = 1
    ) -> None:
        """Have an operation answer with an error; `operation` is `service:Name or METHOD path`."""
        fault = Fault(_STATUS.get(code, HTTPStatus.BAD_REQUEST), code, message)
        self.faults.setdefault(operation, []).extend([fault] * times)

    def run(self, **execution_input: Any) -> Outcome:  # noqa: ANN401 – any JSON
        """Run one execution to its end."""
        execution = Execution(self.aws, {"repo_id": REPO_ID, "prompt": "Q:", **execution_input})
        execution.wait()
        return execution.outcome()

    def run_for_output(self, **execution_input: Any) -> dict[str, Any]:  # noqa: ANN401 – any JSON
        """Run one execution to its end and return its output."""
        execution = Execution(self.aws, {"repo_id": REPO_ID, "prompt": "Q:", **execution_input})
        execution.wait()
        return execution.output()

    def events(self) -> list[dict[str, Any]]:
        """Return the events that were published."""
        return self.aws.event_bus.events

    def announced(self) -> list[PublishedMessage]:
        """Return the announcements since the last call."""
        return self.announcements.new(settled=True)

    def _fault(self, service: str, operation: str) -> Fault | None:
        name = f"{service}:{operation}"
        for known in {*self.faults, *self.before, *OPERATIONS}:
            if name.startswith(known):
                self.calls[known] += 1
                if action := self.before.get(known):
                    action()
                if self.faults.get(known):
                    return self.faults[known].pop(0)
        return None


CREATE_JOB: Final = "bedrock:POST /model-import-jobs"
GET_JOB: Final = "bedrock:GET /model-import-jobs/"
GET_MODEL: Final = "bedrock:GET /imported-models/"
LIST_MODELS: Final = "bedrock:GET /imported-models"
RUN_TASK: Final = "ecs:RunTask"
PUT_EVENTS: Final = "events:PutEvents"
INVOKE: Final = "lambda:POST /2015-03-31/functions/"
OPERATIONS: Final = (CREATE_JOB, GET_JOB, GET_MODEL, RUN_TASK, PUT_EVENTS)
_STATUS: Final = {
    "ThrottlingException": HTTPStatus.TOO_MANY_REQUESTS,
    "TooManyRequestsException": HTTPStatus.TOO_MANY_REQUESTS,
    "AccessDeniedException": HTTPStatus.FORBIDDEN,
    "ResourceNotFoundException": HTTPStatus.NOT_FOUND,
    "InternalServerException": HTTPStatus.INTERNAL_SERVER_ERROR,
    "ServiceException": HTTPStatus.INTERNAL_SERVER_ERROR,
}


def write_repository(directory: Path, files: dict[str, bytes]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (directory / name).write_bytes(content)


def repository_files(**changes: object) -> dict[str, bytes]:
    """Return the files of a healthy repository, with changes in its config.json."""
    files = tiny_checkpoint(answer=ANSWER)
    config = json.loads(files["config.json"]) | changes
    readme = b"---\nlicense: apache-2.0\n---\n"
    return {**files, "config.json": json.dumps(config).encode(), "README.md": readme}


def unimportable_repositories(directory: Path) -> list[Repository]:
    """Return repositories that preflight refuses, each for the reason in its name."""
    healthy = repository_files()
    shard = "model-00001-of-00003.safetensors"
    weights = {name for name in healthy if "safetensors" in name}
    pickled = {name: content for name, content in healthy.items() if name not in weights}
    files = {
        "acme/quantised": repository_files(quantization_config={"quant_method": "gptq"}),
        "acme/bert": repository_files(model_type="bert", architectures=["BertForMaskedLM"]),
        "acme/shallow": repository_files(num_hidden_layers=9),
        "acme/truncated": {**healthy, shard: healthy[shard][:-1000]},
        "acme/pickled": {**pickled, "pytorch_model.bin": b"\x80" * 1000},
        "acme/gated": healthy,
    }
    for repo_id, content in files.items():
        write_repository(directory / repo_id, content)
    return [
        Repository(repo_id, directory / repo_id, gated="manual" if "gated" in repo_id else False)
        for repo_id in files
    ]


_NO_WAITS: Final = Pace(quicker=math.inf)


@contextmanager
def world(
    directory: Path,
    parameters: dict[str, str] | None = None,
    pace: Pace = _NO_WAITS,
    repositories: tuple[Repository, ...] = (),
) -> Iterator[World]:
    """Deploy a local AWS with a Hub that has one healthy repository, and others if given."""
    write_repository(directory / REPO_ID, repository_files())
    repository = Repository(REPO_ID, directory / REPO_ID)
    served = [repository, *unimportable_repositories(directory), *repositories]
    with LocalHub(served) as hub:
        settings = LocalSettings(
            hub_endpoint=hub.endpoint,
            pace=pace,
            parameters=tuple((parameters or {}).items()),
            stack_tags=STACK_TAGS,
            function_log_level="CRITICAL",
        )
        with LocalAws(settings) as aws:
            made = World(aws, Announcements(aws), hub, directory, InlineTasks(aws))
            made.reset()
            yield made
