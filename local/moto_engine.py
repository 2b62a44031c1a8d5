"""Mends moto's Step Functions engine, so that it executes statemachine/model_import.asl.yaml.

The one file that touches private names of moto; pyproject.toml pins the version that it is for.
moto took its engine from LocalStack and left out the JSONata evaluator (a Java library there), the
spelling of SDK parameters, the exit code of .sync tasks and a clock that can be quickened.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from time import sleep
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import boto3
import jsonata
from botocore.config import Config
from moto.core.config import default_user_config

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENGINE: Final = "moto.stepfunctions.parser.asl"
_STATE: Final = f"{_ENGINE}.component.state"
_TASK: Final = f"{_STATE}.exec.state_task.service"


@dataclass(frozen=True, slots=True)
class Pace:
    """How waiting is shortened: waits and retry intervals are divided by `quicker` (inf: none)."""

    quicker: float = 1

    def seconds(self, seconds: float) -> float:
        """Return the real seconds of a wait of the state machine."""
        return seconds / self.quicker


@contextlib.contextmanager
def executing_engine(pace: Pace, endpoint_url: str) -> Iterator[None]:
    """Have moto execute state machines, calling AWS at `endpoint_url`."""
    with contextlib.ExitStack() as stack:
        for target, replacement in _replacements(pace, endpoint_url).items():
            stack.enter_context(mock.patch(target, replacement))
        executing = {"execute_state_machine": True}
        stack.enter_context(mock.patch.dict(default_user_config, stepfunctions=executing))
        yield


def _replacements(pace: Pace, endpoint_url: str) -> dict[str, object]:
    client_for = _client_factory(endpoint_url)
    return {
        f"{_ENGINE}.component.common.string.string_expression.eval_jsonata_expression": _evaluate,
        f"{_ENGINE}.jsonata.validations.eval_jsonata_expression": _evaluate,
        f"{_ENGINE}.eval.variable_store.encode_jsonata_variable_declarations": _declare,
        f"{_ENGINE}.eval.states.encode_jsonata_variable_declarations": _declare,
        f"{_ENGINE}.component.common.retry.retrier_decl.time": _Clock(pace),
        f"{_STATE}.wait.wait_function.wait_function.WaitFunction._wait_interval": _waiting(pace),
        f"{_STATE}.exec.state_task.lambda_eval_utils.boto_client_for": client_for,
        f"{_TASK}.state_task_service_aws_sdk.boto_client_for": client_for,
        f"{_TASK}.state_task_service_ecs.boto_client_for": client_for,
        f"{_TASK}.state_task_service_events.boto_client_for": client_for,
        f"{_TASK}.state_task_service_aws_sdk._SERVICE_ERROR_NAMES": {"bedrock": "Bedrock"},
        f"{_TASK}.state_task_service.StateTaskService._normalise_parameters": _spell_parameters,
        f"{_TASK}.state_task_service.StateTaskService._normalise_response": _spell_response,
        f"{_TASK}.state_task_service_ecs.StateTaskServiceEcs._build_sync_resolver": _follow_task,
        f"{_TASK}.state_task_service_callback._DELAY_SECONDS_SYNC_CONDITION_CHECK": 0.05,
    }


# moto declares $parse by way of $eval, which evaluates where it should only read.
_MOTO_PARSE: Final = re.compile(r"\$parse:=function\(\$v\)\{\s*\$eval\(\$v\)\s*\};")


def _evaluate(expression: str) -> Any:  # noqa: ANN401 – any JSON value
    """Return the value of a JSONata expression."""
    parsed = jsonata.Jsonata(_MOTO_PARSE.sub("", expression))
    parsed.register_lambda("parse", json.loads)
    return parsed.evaluate(None)


def _declare(bindings: dict[str, Any]) -> str:
    """Return JSONata declarations; moto writes strings with neither quotes nor newlines escaped."""
    return "".join(
        f"{name}:={json.dumps(value, default=datetime.isoformat)};"
        for name, value in bindings.items()
    )


_ONE_TRY: Final = Config(retries={"total_max_attempts": 1}, read_timeout=900)


def _client_factory(endpoint_url: str) -> Any:  # noqa: ANN401 – moto's signature
    def client_for(service: str, region: str, state_credentials: object = None) -> Any:  # noqa: ANN401
        del state_credentials
        return boto3.client(
            service,  # type: ignore[call-overload]
            region_name=region,
            endpoint_url=endpoint_url,
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106
            config=_ONE_TRY,
        )

    return client_for


@dataclass(frozen=True, slots=True)
class _Clock:
    """Stands for the module `time` where the engine waits before a retry."""

    pace: Pace

    def sleep(self, seconds: float) -> None:
        sleep(self.pace.seconds(seconds))


def _waiting(pace: Pace) -> Any:  # noqa: ANN401 – a method of moto's
    def wait_interval(_self: object, env: Any, wait_seconds: float) -> None:  # noqa: ANN401
        env.program_state_event.wait(pace.seconds(wait_seconds))

    return wait_interval


def _operation(task: Any, service: str | None, action: str | None) -> Any:  # noqa: ANN401
    name = task._get_boto_service_name(service)  # noqa: SLF001
    method = task._get_boto_service_action(action)  # noqa: SLF001
    model, operations = _service_model(name)
    return model.operation_model(operations[method])


@functools.cache
def _service_model(service: str) -> tuple[Any, dict[str, str]]:
    client = boto3.client(service, region_name="us-east-1")  # type: ignore[call-overload]
    return client.meta.service_model, client.meta.method_to_api_mapping


def _spell_parameters(
    task: Any,  # noqa: ANN401
    parameters: dict[str, Any],
    boto_service_name: str | None = None,
    service_action_name: str | None = None,
) -> None:
    """Spell PascalCase parameters as the service does."""
    operation = _operation(task, boto_service_name, service_action_name)
    task._to_boto_request(parameters, operation.input_shape)  # noqa: SLF001


def _spell_response(
    task: Any,  # noqa: ANN401
    response: Any,  # noqa: ANN401
    boto_service_name: str | None = None,
    service_action_name: str | None = None,
) -> None:
    """Spell a service's response in PascalCase."""
    operation = _operation(task, boto_service_name, service_action_name)
    task._from_boto_response(response, operation.output_shape)  # noqa: SLF001


def _follow_task(
    task: Any,  # noqa: ANN401
    env: Any,  # noqa: ANN401
    resource_runtime_part: Any,  # noqa: ANN401
    normalised_parameters: dict[str, Any],
    state_credentials: object,
) -> Any:  # noqa: ANN401
    """Return what follows an ECS task to its end, which fails the state unless every exit is 0."""
    del normalised_parameters, state_credentials
    submitted = env.stack.pop()["Tasks"][0]
    client = import_module(f"{_TASK}.state_task_service_ecs").boto_client_for(
        service="ecs", region=resource_runtime_part.region
    )
    reports = iter(range(_REPORT_CHECKS))

    def resolve() -> dict[str, Any] | None:
        described = client.describe_tasks(
            cluster=submitted["ClusterArn"], tasks=[submitted["TaskArn"]]
        )
        stopped: dict[str, Any] = described["tasks"][0]
        if stopped["lastStatus"] != "STOPPED":
            return None
        failed = any(container.get("exitCode") != 0 for container in stopped["containers"])
        # An error that the task sent by its token just before it stopped comes first.
        if failed and next(reports, None) is not None:
            return None
        _spell_response(task, described, service_action_name="describe_tasks")
        if failed:
            raise _task_failed(task, env, stopped)
        return stopped

    return resolve


_REPORT_CHECKS: Final = 5


def _task_failed(task: Any, env: Any, stopped: dict[str, Any]) -> Exception:  # noqa: ANN401
    error_name = import_module(f"{_ENGINE}.component.common.error_name.states_error_name")
    error_type = import_module(f"{_ENGINE}.component.common.error_name.states_error_name_type")
    events = import_module(f"{_ENGINE}.component.common.error_name.failure_event")
    api = import_module("moto.stepfunctions.parser.api")
    details = import_module(f"{_ENGINE}.eval.event.event_detail")
    typ = error_type.StatesErrorNameType.StatesTaskFailed
    failure: Exception = events.FailureEventException(
        failure_event=events.FailureEvent(
            env=env,
            error_name=error_name.StatesErrorName(typ=typ),
            event_type=api.HistoryEventType.TaskFailed,
            event_details=details.EventDetails(
                taskFailedEventDetails=api.TaskFailedEventDetails(
                    resourceType=task._get_sfn_resource_type(),  # noqa: SLF001
                    resource=task._get_sfn_resource(),  # noqa: SLF001
                    error=typ.to_name(),
                    cause=json.dumps(stopped, default=datetime.isoformat),
                )
            ),
        )
    )
    return failure
