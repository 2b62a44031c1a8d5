"""Corrects moto's Step Functions engine, so that it executes statemachine/model_import.asl.yaml.

Only this module and moto_s3.py use private names of moto; pyproject.toml pins its version.
moto's engine comes from LocalStack without the JSONata evaluator (a Java library there), the
spelling of SDK parameters, the exit code of .sync tasks and a clock that can be sped up.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import re
import threading
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from time import sleep
from typing import TYPE_CHECKING, Any, Final, cast
from unittest import mock

import boto3
import jsonata
from botocore.config import Config
from botocore.exceptions import ClientError
from jsonata.jexception import JException
from jsonata.utils import Utils
from jsonpath_ng.ext.parser import parse as parse_json_path
from moto.core.config import default_user_config
from moto.core.responses import EmptyResult
from moto.core.utils import method_names_from_class
from moto.stepfunctions.parser.api import (
    EvaluationFailedEventDetails,
    HistoryEventType,
    TaskFailedEventDetails,
)
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import (
    CustomErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import (
    StatesErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.state.exec.execute_state import ExecutionState
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (  # noqa: E501
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventManager
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication

from local.aws.account import USER_AGENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ERROR_PREFIXES: Final = {"bedrock": "Bedrock", "ssm": "Ssm"}
_ENGINE: Final = "moto.stepfunctions.parser.asl"
_STATE: Final = f"{_ENGINE}.component.state"
_COMMUNICATION: Final = (
    "moto.stepfunctions.parser.backend.execution.BaseExecutionWorkerCommunication"
)
_TASK: Final = f"{_STATE}.exec.state_task.service"
_POLL_SECONDS: Final = 0.05
_HANG_SECONDS: Final = 900
"""The shortest time limit of a call here, because a busy machine is slower than AWS."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How much shorter waits are: they and retry intervals are divided by `quicker` (inf: none)."""

    quicker: float = 1

    def seconds(self, seconds: float) -> float:
        """Return the real seconds that a wait of the state machine takes."""
        return seconds / self.quicker


class EventCounter:
    """Counts events of all executions, so that a caller polls only when there is a new one."""

    def __init__(self) -> None:
        """Count from 0."""
        self.count = 0
        self._counted = threading.Condition()

    def add(self) -> None:
        """Count one more."""
        with self._counted:
            self.count += 1
            self._counted.notify_all()

    def wait(self, known: int, seconds: float) -> None:
        """Wait until the count differs from `known`, or for `seconds`."""
        with self._counted:
            self._counted.wait_for(lambda: self.count != known, seconds)


HISTORY_EVENTS: Final = EventCounter()
ENDS: Final = EventCounter()


@contextlib.contextmanager
def executing_engine(pace: Pace, endpoint_url: str) -> Iterator[None]:
    """Have moto execute state machines that call AWS at `endpoint_url`."""
    with contextlib.ExitStack() as stack:
        for target, replacement in _replacements(pace, endpoint_url).items():
            stack.enter_context(mock.patch(target, replacement))
        executing = {"execute_state_machine": True}
        stack.enter_context(mock.patch.dict(default_user_config, stepfunctions=executing))
        yield


def _replacements(pace: Pace, endpoint_url: str) -> dict[str, object]:
    client_for = _client_factory(endpoint_url)
    return {
        f"{_ENGINE}.parse.asl_parser.AmazonStateLanguageParser.parse": staticmethod(_parse),
        f"{_ENGINE}.component.eval_component.EvalComponent.heap_key": property(id),
        f"{_ENGINE}.utils.json_path.parse": functools.lru_cache(maxsize=1024)(parse_json_path),
        # moto lists the methods of a service at every request.
        "moto.core.responses.method_names_from_class": functools.cache(method_names_from_class),
        f"{_ENGINE}.component.common.string.string_expression.eval_jsonata_expression": _evaluate,
        f"{_ENGINE}.jsonata.validations.eval_jsonata_expression": _evaluate,
        f"{_ENGINE}.eval.variable_store.encode_jsonata_variable_declarations": _declare,
        f"{_ENGINE}.eval.states.encode_jsonata_variable_declarations": _declare,
        f"{_ENGINE}.eval.event.event_manager.EventManager.add_event": _counted(
            EventManager.add_event, HISTORY_EVENTS
        ),
        f"{_COMMUNICATION}.terminated": _counted(BaseExecutionWorkerCommunication.terminated, ENDS),
        f"{_ENGINE}.component.common.retry.retrier_decl.time": _Clock(pace),
        f"{_STATE}.wait.wait_function.wait_function.WaitFunction._wait_interval": _waiting(pace),
        f"{_STATE}.exec.state_task.lambda_eval_utils.boto_client_for": client_for,
        f"{_TASK}.state_task_service_aws_sdk.boto_client_for": client_for,
        f"{_TASK}.state_task_service_ecs.boto_client_for": client_for,
        f"{_TASK}.state_task_service_events.boto_client_for": client_for,
        f"{_TASK}.state_task_service_sfn.boto_client_for": client_for,
        f"{_TASK}.state_task_service_aws_sdk._SERVICE_ERROR_NAMES": _ERROR_PREFIXES,
        f"{_TASK}.state_task_service.StateTaskService._normalise_parameters": _spell_parameters,
        f"{_TASK}.state_task_service.StateTaskService._normalise_response": _spell_response,
        f"{_TASK}.state_task_service_ecs._SUPPORTED_API_PARAM_BINDINGS": _RUN_TASK_PARAMETERS,
        f"{_TASK}.state_task_service_ecs.StateTaskServiceEcs._build_sync_resolver": _follow_tasks(
            client_for
        ),
        f"{_STATE}.exec.execute_state.ExecutionState._from_error": _name_query_errors(),
        f"{_TASK}.state_task_service_ecs.StateTaskServiceEcs._from_error": _name_errors("ECS"),
        f"{_TASK}.state_task_service_events.StateTaskServiceEvents._from_error": _name_errors(
            "EventBridge"
        ),
        "moto.stepfunctions.responses.StepFunctionResponse.send_task_failure": _send_task_failure,
        "moto.stepfunctions.responses.StepFunctionResponse.get_execution_history": _tell_history,
        f"{_TASK}.state_task_service_callback._DELAY_SECONDS_SYNC_CONDITION_CHECK": _POLL_SECONDS,
        f"{_ENGINE}.eval.callback.callback.HeartbeatEndpoint": _Heartbeats,
        f"{_ENGINE}.component.common.timeouts.timeout.TimeoutSeconds._eval_seconds": _limit_seconds,
    }


def _counted(method: Any, counter: EventCounter) -> Any:  # noqa: ANN401 – a method of moto's
    @functools.wraps(method)
    def counted(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        try:
            return method(*arguments, **options)
        finally:
            counter.add()

    return counted


# moto's list lacks CapacityProviderStrategy.
_RUN_TASK_PARAMETERS: Final = {
    "runtask": {
        "CapacityProviderStrategy",
        "Cluster",
        "NetworkConfiguration",
        "Overrides",
        "PropagateTags",
        "TaskDefinition",
    }
}

# Parsing takes most of the time of an execution. Executions of one definition share its components,
# and store their own values under the components' keys.
_parse: Final = functools.lru_cache(maxsize=16)(AmazonStateLanguageParser.parse)


# moto declares $parse by way of $eval, which evaluates where it should only read.
_MOTO_PARSE: Final = re.compile(r"\$parse:=function\(\$v\)\{\s*\$eval\(\$v\)\s*\};")


class QueryEvaluationError(Exception):
    """A JSONata expression cannot be evaluated; moto has no error name for that."""


def _evaluate(expression: str) -> Any:  # noqa: ANN401 – any JSON value
    """Return the value of a JSONata expression."""
    text, values = _split_declarations(_MOTO_PARSE.sub("", expression))
    evaluation = copy.copy(_parsed_expression(text))
    jsonata.Jsonata.CURRENT.jsonata = evaluation  # its clock and functions are those of this thread
    try:
        return evaluation.evaluate(None, values)
    except (JException, ValueError) as error:
        raise QueryEvaluationError(str(error)) from error


@functools.lru_cache(maxsize=1024)
def _parsed_expression(text: str) -> Any:  # noqa: ANN401
    """Return a parsed expression; copy it for each evaluation, because evaluating changes it."""
    parsed = jsonata.Jsonata(text)
    parsed.register_lambda("parse", json.loads)
    return parsed


# moto writes all variables as text before an expression, inside a function that checks the result.
_OPENING: Final = re.compile(r"(?:\$\w+\()?\(")
_DECLARATION: Final = re.compile(r"\$?(\w+):=")
_JSON: Final = json.JSONDecoder()


def _split_declarations(expression: str) -> tuple[str, dict[str, Any]]:
    """Return an expression without the declarations before it, and the declared values by name.

    To parse the values as JSON takes a fraction of the time that JSONata takes.
    """
    opening = _OPENING.match(expression)
    if opening is None:
        return expression, {}
    values = {}
    end = opening.end()
    while declaration := _DECLARATION.match(expression, end):
        try:
            value, stop = _JSON.raw_decode(expression, declaration.end())
        except ValueError:
            break
        if expression[stop] != ";":
            break
        if expression.find("null", declaration.end(), stop) >= 0:
            value = _with_nulls(value)
        values[declaration[1]], end = value, stop + 1
    return opening[0] + expression[end:], values


def _with_nulls(value: Any) -> Any:  # noqa: ANN401 – any JSON value
    """Return a JSON value in which null is JSONata's null and not its missing value."""
    if isinstance(value, dict):
        return {name: _with_nulls(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_with_nulls(member) for member in value]
    return Utils.NULL_VALUE if value is None else value


def _declare(bindings: dict[str, Any]) -> str:
    """Return JSONata declarations; moto escapes neither quotes nor newlines in strings."""
    return "".join(
        f"{name}:={json.dumps(value, default=datetime.isoformat)};"
        for name, value in bindings.items()
    )


# One attempt, because the definition has the retries. One connection per concurrent execution.
_ENGINE_CALLS: Final = Config(
    retries={"total_max_attempts": 1},
    read_timeout=900,
    max_pool_connections=50,
    user_agent=USER_AGENT,
)


def _client_factory(endpoint_url: str) -> Any:  # noqa: ANN401 – moto's signature
    @functools.cache
    def made(service: str, region: str) -> Any:  # noqa: ANN401
        return boto3.client(
            service,  # type: ignore[call-overload]
            region_name=region,
            endpoint_url=endpoint_url,
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106
            config=_ENGINE_CALLS,
        )

    def client_for(service: str, region: str, state_credentials: object = None) -> Any:  # noqa: ANN401
        del state_credentials
        return made(service, region)

    return client_for


@dataclass(frozen=True, slots=True)
class _Clock:
    """Replaces the module `time` where the engine waits before a retry."""

    pace: Pace

    def sleep(self, seconds: float) -> None:
        sleep(self.pace.seconds(seconds))


def _waiting(pace: Pace) -> Any:  # noqa: ANN401 – a method of moto's
    def wait_interval(_self: object, env: Any, wait_seconds: float) -> None:  # noqa: ANN401
        env.program_state_event.wait(pace.seconds(wait_seconds))

    return wait_interval


def _limit_seconds(limit: Any, env: object) -> int:  # noqa: ANN401 – a method of moto's
    """Return the time limit of a call; an expression may compute it."""
    del env
    seconds: int = limit.timeout_seconds
    return max(seconds, _HANG_SECONDS)


class _Heartbeats:
    """Replaces moto's HeartbeatEndpoint; it counts polls of the task without a heartbeat.

    With a clock, a task would time out when the machine is busy.
    """

    def __init__(self, heartbeat_seconds: int) -> None:
        self._polls_at_most = heartbeat_seconds / _POLL_SECONDS
        self._polls = 0
        self._is_lapsed = False
        self._changed = threading.Event()

    def notify(self) -> None:
        self._polls = 0
        self._changed.set()

    def poll(self) -> None:
        """Count a poll of a running task."""
        self._polls += 1
        if self._polls >= self._polls_at_most:
            self._is_lapsed = True
            self._changed.set()

    def clear_and_wait(self) -> bool:
        """Wait; return whether there was a heartbeat."""
        came = self._changed.wait(_HANG_SECONDS)
        self._changed.clear()
        return came and not self._is_lapsed


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
    """Rename PascalCase parameters to the service's spelling."""
    operation = _operation(task, boto_service_name, service_action_name)
    task._to_boto_request(parameters, operation.input_shape)  # noqa: SLF001


def _spell_response(
    task: Any,  # noqa: ANN401
    response: Any,  # noqa: ANN401
    boto_service_name: str | None = None,
    service_action_name: str | None = None,
) -> None:
    """Rename the fields of a service's response to PascalCase."""
    operation = _operation(task, boto_service_name, service_action_name)
    task._from_boto_response(response, operation.output_shape)  # noqa: SLF001


def _send_task_failure(response: Any) -> Any:  # noqa: ANN401
    """Also pass on the cause, which moto drops."""
    error, cause = response._get_param("error"), response._get_param("cause")  # noqa: SLF001
    token = response._get_param("taskToken")  # noqa: SLF001
    response.stepfunction_backend.send_task_failure(token, error=error, cause=cause)
    return EmptyResult()


def _tell_history(response: Any) -> tuple[int, dict[str, str], str]:  # noqa: ANN401
    """Tell the history as it is; moto looks for each event's every possible member, by many names.

    Followed executions ask for it often.
    """
    arn = response._get_param("executionArn")  # noqa: SLF001
    history = response.stepfunction_backend.get_execution_history(arn)
    events = [_told_event(event) for event in history["events"]]
    headers = {"Content-Type": "application/x-amz-json-1.0"}
    return HTTPStatus.OK, headers, json.dumps({"events": events})


def _told_event(event: dict[str, Any]) -> dict[str, Any]:
    told = {
        name: {key: value for key, value in member.items() if value is not None}
        if isinstance(member, dict)
        else member
        for name, member in event.items()
    }
    return told | {"timestamp": datetime.fromisoformat(event["timestamp"]).timestamp()}


def _follow_tasks(client_for: Any) -> Any:  # noqa: ANN401 – a method of moto's
    def build_sync_resolver(
        task: Any,  # noqa: ANN401
        env: Any,  # noqa: ANN401
        resource_runtime_part: Any,  # noqa: ANN401
        **_: object,
    ) -> Callable[[], dict[str, Any] | None]:
        client = client_for(service="ecs", region=resource_runtime_part.region)
        submitted = env.stack.pop()["Tasks"][0]
        token = env.states.context_object.context_object_data["Task"]["Token"]
        callback = env.callback_pool_manager.get(token)
        return functools.partial(_task_end, task, env, client, submitted, callback)

    return build_sync_resolver


def _task_end(
    task: Any,  # noqa: ANN401
    env: Any,  # noqa: ANN401
    client: Any,  # noqa: ANN401
    submitted: dict[str, Any],
    callback: Any,  # noqa: ANN401
) -> dict[str, Any] | None:
    """Return an ECS task that ended with 0, None while it runs; fail the state otherwise."""
    described = client.describe_tasks(cluster=submitted["ClusterArn"], tasks=[submitted["TaskArn"]])
    stopped: dict[str, Any] = described["tasks"][0]
    if stopped["lastStatus"] != "STOPPED":
        if task.heartbeat:
            callback._heartbeat_endpoint.poll()  # noqa: SLF001
        return None
    failed = any(container.get("exitCode") != 0 for container in stopped["containers"])
    # An error that the task sent with its token before it stopped takes precedence.
    if failed and callback.get_outcome() is not None:
        return None
    _spell_response(task, described, service_action_name="describe_tasks")
    if failed:
        raise _task_failed(task, env, stopped)
    return stopped


def _task_failed(task: Any, env: Any, stopped: dict[str, Any]) -> Exception:  # noqa: ANN401
    name = StatesErrorName(typ=StatesErrorNameType.StatesTaskFailed)
    cause = json.dumps(stopped, default=datetime.isoformat)
    event = _failure_event(task, env, name, cause)
    failure: Exception = FailureEventException(failure_event=event)
    return failure


def _name_errors(service: str) -> Any:  # noqa: ANN401 – a method of moto's
    """Return a method that names a service's error as Step Functions does, if moto does not."""

    def from_error(task: Any, env: Any, ex: Exception) -> Any:  # noqa: ANN401
        if isinstance(ex, ClientError):
            refusal = ex.response["Error"]
            name = CustomErrorName(error_name=f"{service}.{refusal['Code']}")
            return _failure_event(task, env, name, refusal["Message"])
        return StateTaskServiceCallback._from_error(task, env=env, ex=ex)  # noqa: SLF001

    return from_error


def _name_query_errors() -> Any:  # noqa: ANN401 – a method of moto's
    name_others = ExecutionState._from_error  # noqa: SLF001

    def from_error(state: Any, env: Any, ex: Exception) -> Any:  # noqa: ANN401
        if not isinstance(ex, QueryEvaluationError):
            return name_others(state, env=env, ex=ex)
        name = StatesErrorName(typ=StatesErrorNameType.StatesQueryEvaluationError)
        details = EvaluationFailedEventDetails(error=name.error_name, cause=str(ex))
        return FailureEvent(
            env=env,
            error_name=name,
            event_type=HistoryEventType.EvaluationFailed,
            event_details=cast("Any", {"evaluationFailedEventDetails": details}),
        )

    return from_error


def _failure_event(task: Any, env: Any, name: Any, cause: str) -> Any:  # noqa: ANN401
    details = TaskFailedEventDetails(
        resourceType=task._get_sfn_resource_type(),  # noqa: SLF001
        resource=task._get_sfn_resource(),  # noqa: SLF001
        error=name.error_name,
        cause=cause,
    )
    return FailureEvent(
        env=env,
        error_name=name,
        event_type=HistoryEventType.TaskFailed,
        event_details=cast("Any", {"taskFailedEventDetails": details}),
    )
