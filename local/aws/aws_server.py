"""AWS on one loopback port: moto, and before it the services that moto lacks or runs in Docker.

The service in a request's signature decides who answers it, so that boto3, the AWS CLI and moto's
own Step Functions engine all use the endpoint in the same way.
"""

from __future__ import annotations

import functools
import io
import json
import os
import threading
import uuid
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol, Self
from urllib.parse import unquote

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from local.aws.function_urls import FUNCTION_URLS, invoke_function_url
from local.aws.service_quotas import (
    OPERATIONS as QUOTA_OPERATIONS,
    NoSuchQuotaError,
    answer_service_quotas,
)
from local.aws.transfer_tasks import EcsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from local.aws.event_bus import EventBus
    from local.aws.lambda_functions import LambdaFunction

# No stack here starts an EC2 instance, so moto needs none of its 1,300 images.
os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
_INVOKE_PATH: Final = "/2015-03-31/functions/"


# It keeps nothing of an account: that is in moto's backends.
_backend_app: Final = functools.cache(create_backend_app)


class Dispatcher(DomainDispatcherApplication):
    """Looks a host's backend up once; moto lists its own folders at every request."""

    def __init__(self, create_app: Callable[[Any], Any]) -> None:
        """Know no host yet."""
        super().__init__(create_app)
        self._backends: dict[str | None, Any] = {}

    def get_backend_for_host(self, host: str | None) -> Any:  # noqa: ANN401 – moto's signature
        """Return the name of what answers for a host."""
        if host not in self._backends:
            self._backends[host] = super().get_backend_for_host(host)
        return self._backends[host]


class QuietRequestHandler(MotoRequestHandler):
    """Keeps connections open, and writes no access log."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002, ANN401
        """Write nothing."""


@dataclass(frozen=True, slots=True)
class Fault:
    """An error that a service returns instead of the requested result."""

    status: HTTPStatus
    code: str
    message: str


class Task(Protocol):
    def describe(self) -> dict[str, Any]:
        """Return it as DescribeTasks does."""


class Tasks(Protocol):
    """Runs the tasks of ECS."""

    def run(self, request: dict[str, Any]) -> Task:
        """Start a task as RunTask does."""

    def find(self, arn: str) -> Task | None: ...

    def stop(self, arn: str, reason: str) -> Task:
        """Stop a task as StopTask does."""


@dataclass(slots=True)
class Routes:
    """The handlers that answer instead of moto; each is set when the stack has been deployed.

    `fault` is asked first, with the service and the operation (for REST, method and path).
    """

    bedrock: WSGIApplication | None = None
    functions: Callable[[str], LambdaFunction | None] | None = None
    tasks: Tasks | None = None
    quotas: Mapping[str, int] = field(default_factory=dict)
    event_bus: EventBus | None = None
    fault: Callable[[str, str], Fault | None] | None = None


class AwsServer:
    """The endpoint of the local AWS; started on construction, ended by `close`."""

    def __init__(self, port: int = 0) -> None:
        """Bind a port of 127.0.0.1, a free one by default."""
        self.routes = Routes()
        self._moto: WSGIApplication = Dispatcher(_backend_app)
        self._server = make_server(
            "127.0.0.1", port, self._answer, threaded=True, request_handler=QuietRequestHandler
        )
        self._server.daemon_threads = True  # type: ignore[attr-defined]
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith(FUNCTION_URLS):
            return self._answer_function_url(environ, start_response)
        return self._answer_service(environ, start_response)

    def _answer_service(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        service, operation = _service(environ), _operation(environ)
        fault = self.routes.fault and self.routes.fault(service or "", operation)
        if fault:
            _read_body(environ)  # or it would be taken for the connection's next request
            return _json_error(start_response, fault.status, fault.code, fault.message)
        if service == "bedrock" and self.routes.bedrock:
            return self.routes.bedrock(environ, start_response)
        if service == "lambda" and environ["PATH_INFO"].endswith("/invocations"):
            return self._invoke(environ, start_response)
        if answering := self._json_operation(service, operation):
            return _answer_json(answering, environ, start_response)
        if service == "events" and operation == "PutEvents":
            return self._put_events(environ, start_response)
        if service == "states" and operation == "StartExecution":
            environ = _with_name(environ)
        return self._moto(environ, start_response)

    def _invoke(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        name = unquote(environ["PATH_INFO"]).removeprefix(_INVOKE_PATH).removesuffix("/invocations")
        function = self.routes.functions(name) if self.routes.functions else None
        if function is None:
            return _json_error(
                start_response, HTTPStatus.NOT_FOUND, "ResourceNotFoundException", name
            )
        invocation = function.invoke(_read_body(environ))
        headers = [("Content-Type", "application/json"), ("X-Amz-Executed-Version", "$LATEST")]
        if invocation.raised:
            headers.append(("X-Amz-Function-Error", "Unhandled"))
        return _respond(start_response, HTTPStatus.OK, invocation.payload, headers)

    def _json_operation(
        self, service: str | None, operation: str
    ) -> Callable[[dict[str, Any]], dict[str, Any]] | None:
        """Return the handler that answers an operation of a JSON service instead of moto."""
        if service == "ecs" and self.routes.tasks and operation in _TASK_OPERATIONS:
            return functools.partial(_TASK_OPERATIONS[operation], self.routes.tasks)
        if service == "servicequotas" and operation in QUOTA_OPERATIONS:
            return functools.partial(answer_service_quotas, operation, self.routes.quotas)
        return None

    def _answer_function_url(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer a request without a signed service, which calls a function's URL."""
        name = unquote(environ["PATH_INFO"]).removeprefix(FUNCTION_URLS).partition("/")[0]
        function = self.routes.functions(name) if self.routes.functions else None
        body = _read_body(environ)
        if function is None:
            return _respond(start_response, HTTPStatus.NOT_FOUND, b"", [])
        answer = invoke_function_url(function, environ, body)
        return _respond(start_response, answer.status, answer.body, answer.headers)

    def _put_events(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer instead of moto, which does not support state machines as targets of rules."""
        entries = json.loads(_read_body(environ))["Entries"]
        if self.routes.event_bus:
            self.routes.event_bus.deliver(entries)
        ids = [{"EventId": str(uuid.uuid4())} for _ in entries]
        answer = json.dumps({"FailedEntryCount": 0, "Entries": ids}).encode()
        return _respond(start_response, HTTPStatus.OK, answer, _JSON_HEADERS)


def _answer_json(
    answering: Callable[[dict[str, Any]], dict[str, Any]],
    environ: WSGIEnvironment,
    start_response: StartResponse,
) -> Iterable[bytes]:
    request = json.loads(_read_body(environ))
    try:
        answer = answering(request)
    except (EcsError, NoSuchQuotaError) as error:
        return _json_error(start_response, HTTPStatus.BAD_REQUEST, error.code, str(error))
    return _respond(start_response, HTTPStatus.OK, json.dumps(answer).encode(), _JSON_HEADERS)


def _run_task(tasks: Tasks, request: dict[str, Any]) -> dict[str, Any]:
    return {"tasks": [tasks.run(request).describe()], "failures": []}


def _describe_tasks(tasks: Tasks, request: dict[str, Any]) -> dict[str, Any]:
    found = [task.describe() for arn in request["tasks"] if (task := tasks.find(arn))]
    missing = [{"arn": arn, "reason": "MISSING"} for arn in request["tasks"] if not tasks.find(arn)]
    return {"tasks": found, "failures": missing}


def _stop_task(tasks: Tasks, request: dict[str, Any]) -> dict[str, Any]:
    reason = request.get("reason", "Task stopped by user")
    return {"task": tasks.stop(request["task"], reason).describe()}


_TASK_OPERATIONS: Final[dict[str, Callable[[Tasks, dict[str, Any]], dict[str, Any]]]] = {
    "RunTask": _run_task,
    "DescribeTasks": _describe_tasks,
    "StopTask": _stop_task,
}
_JSON_HEADERS: Final = [("Content-Type", "application/x-amz-json-1.1")]


def _operation(environ: WSGIEnvironment) -> str:
    target: str = environ.get("HTTP_X_AMZ_TARGET", "")
    path = unquote(environ["PATH_INFO"])
    return target.rpartition(".")[2] or f"{environ['REQUEST_METHOD']} {path}"


def _service(environ: WSGIEnvironment) -> str | None:
    """Return the service that the request's signature names."""
    scope = environ.get("HTTP_AUTHORIZATION", "").split("Credential=")[-1].split(",")[0].split("/")
    return scope[3] if len(scope) == 5 else None  # noqa: PLR2004 – key/date/region/service/aws4


def _read_body(environ: WSGIEnvironment) -> bytes:
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return body


def _with_body(environ: WSGIEnvironment, body: bytes) -> WSGIEnvironment:
    return environ | {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}


def _with_name(environ: WSGIEnvironment) -> WSGIEnvironment:
    """Name an execution that has no name; moto would name each of them None."""
    request = {"name": str(uuid.uuid4())} | json.loads(_read_body(environ))
    return _with_body(environ, json.dumps(request).encode())


def _json_error(
    start_response: StartResponse, status: HTTPStatus, code: str, message: str
) -> Iterable[bytes]:
    body = json.dumps({"__type": code, "Type": "User", "message": message}).encode()
    identity = [("x-amzn-errortype", code), ("x-amzn-requestid", str(uuid.uuid4()))]
    return _respond(start_response, status, body, [*_JSON_HEADERS, *identity])


def _respond(
    start_response: StartResponse,
    status: HTTPStatus,
    body: bytes,
    headers: list[tuple[str, str]],
) -> Iterable[bytes]:
    start_response(f"{status} {status.phrase}", [*headers, ("Content-Length", str(len(body)))])
    return [body]
