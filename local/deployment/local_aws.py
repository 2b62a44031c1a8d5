"""The local AWS with the stack deployed, for `run`, `serve` and tests."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self
from unittest import mock

import urllib3

from local.aws.account import Account
from local.aws.aws_server import AwsServer
from local.aws.event_bus import EventBus
from local.aws.moto_engine import Pace, executing_engine
from local.aws.moto_s3 import return_part_checksums
from local.aws.schedules import RunningSchedule
from local.aws.transfer_tasks import TransferTasks
from local.bedrock.settings import BedrockSettings
from local.bedrock.wsgi import LocalBedrock
from local.deployment.stack import Stack, deploy

# `local` puts the functions' folder on the path.
from model_import.aws.refusals import ACCOUNT_CALLS  # isort: skip

if TYPE_CHECKING:
    from collections.abc import Callable

STACK_NAME = "model-import"
_IMAGE = "local/transfer-model"
_WATCHABLE = Pace(quicker=60)
_AS_DOCUMENTED = BedrockSettings()
_ANSWER_SECONDS_AT_MOST: Final = 900
"""All of AWS answers from this process: with many executions, or on a busy machine, not at once."""


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """The settings that may differ from the defaults; `parameters` are the template's.

    Schedules run only if `on_schedule_run` is set.
    """

    hub_endpoint: str
    region: str = "us-east-1"
    port: int = 0
    pace: Pace = _WATCHABLE
    bedrock: BedrockSettings = _AS_DOCUMENTED
    parameters: tuple[tuple[str, str], ...] = ()
    stack_tags: tuple[tuple[str, str], ...] = ()
    hub_token: str | None = None
    task_environment: tuple[tuple[str, str], ...] = ()
    function_log_level: str = "WARNING"
    on_schedule_run: Callable[[str], None] | None = None


class LocalAws:
    """AWS on one machine, from construction until `close`; only one at a time per process."""

    def __init__(
        self, settings: LocalSettings, on_task_log: Callable[[str, str], None] | None = None
    ) -> None:
        """Start the endpoint and deploy the stack; `on_task_log` receives (task ARN, line)."""
        self._exit = contextlib.ExitStack()
        with contextlib.ExitStack() as unless_started:
            unless_started.callback(self._exit.close)
            self._start(settings, on_task_log or _ignore)
            unless_started.pop_all()

    def _start(self, settings: LocalSettings, on_task_log: Callable[[str, str], None]) -> None:
        server = self._exit.enter_context(AwsServer(settings.port))
        # moto's state is the process's: what an earlier account left goes.
        urllib3.request("POST", f"{server.endpoint}/moto-api/reset", timeout=None)
        self._exit.enter_context(executing_engine(settings.pace, server.endpoint))
        self._exit.enter_context(return_part_checksums())
        patient = mock.patch.object(ACCOUNT_CALLS, "read_timeout", _ANSWER_SECONDS_AT_MOST)
        self._exit.enter_context(patient)
        self.account = Account(server.endpoint, settings.region)
        parameters = {
            "HubEndpoint": settings.hub_endpoint,
            "TransferImageUri": _IMAGE,
            **dict(settings.parameters),
        }
        if settings.hub_token:
            parameters["HubTokenSecretArn"] = self._store_token(settings.hub_token)
        self.stack: Stack = deploy(self.account, STACK_NAME, parameters, dict(settings.stack_tags))
        for function in self.stack.functions.values():
            function.environment["POWERTOOLS_LOG_LEVEL"] = settings.function_log_level
            self._exit.callback(function.delete)
        self.tasks = TransferTasks(
            self.account.environment
            | {"HUB_ENDPOINT": settings.hub_endpoint}
            | dict(settings.task_environment),
            self._task_definition,
            on_task_log,
        )
        self.event_bus = EventBus(
            self.account.id,
            settings.region,
            self.account.client("events"),
            self.account.client("stepfunctions"),
            self.stack.functions,
        )
        self._exit.callback(self.event_bus.close)
        self.routes = routes = server.routes
        routes.functions, routes.tasks = self.stack.function, self.tasks
        routes.event_bus = self.event_bus
        self.start_bedrock(settings.bedrock)
        # Stop tasks before the endpoint, where they abort their uploads.
        self._exit.callback(self.tasks.close)
        if settings.on_schedule_run:
            self._start_schedules(settings.pace, settings.on_schedule_run)

    def _start_schedules(self, pace: Pace, tell: Callable[[str], None]) -> None:
        for schedule in self.stack.schedules:
            function = self.stack.functions[schedule.function_arn]
            running = RunningSchedule(schedule, function, pace.seconds, tell)
            self._exit.callback(running.close)

    def start_bedrock(self, settings: BedrockSettings) -> None:
        """Replace Bedrock by a new one without jobs and models."""
        self.routes.quotas = settings.quotas
        self.routes.bedrock = LocalBedrock(
            self.account.region,
            self.account.id,
            lambda: self.account.client("s3"),
            settings=settings,
            role_exists=self._role_exists,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop executions, then tasks, then the endpoint."""
        self._stop_executions()
        self._exit.close()

    def _stop_executions(self) -> None:
        stepfunctions = self.account.client("stepfunctions")
        # Stop releases first, because they start imports.
        for arn in reversed(self.stack.state_machine_arns):
            running = stepfunctions.list_executions(stateMachineArn=arn, statusFilter="RUNNING")
            for execution in running["executions"]:
                stepfunctions.stop_execution(executionArn=execution["executionArn"])

    def _store_token(self, token: str) -> str:
        secrets = self.account.client("secretsmanager")
        arn: str = secrets.create_secret(Name="hub-token", SecretString=token)["ARN"]
        return arn

    def _task_definition(self, arn: str) -> dict[str, Any]:
        described = self.account.client("ecs").describe_task_definition(taskDefinition=arn)
        definition: dict[str, Any] = described["taskDefinition"]
        return definition

    def _role_exists(self, arn: str) -> bool:
        iam = self.account.client("iam")
        try:
            iam.get_role(RoleName=arn.rpartition("/")[2])
        except iam.exceptions.NoSuchEntityException:
            return False
        return True


def _ignore(_task_arn: str, _line: str) -> None:
    """Ignore a line of a task's log."""
