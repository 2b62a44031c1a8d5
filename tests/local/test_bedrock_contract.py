"""The local Bedrock against botocore's model of the real one: members, types, patterns, routes."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import botocore.session
import pytest
from botocore.eventstream import EventStreamBuffer
from botocore.model import ListShape, Shape, StringShape, StructureShape
from support.checkpoints.tiny_checkpoint import tiny_checkpoint
from support.servers.bedrock_endpoint import (
    ACCOUNT_ID,
    REGION,
    ROLE_ARN,
    BedrockEndpoint,
    bedrock_endpoint,
    encoded,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = "{model}"
INVOCATION = {"prompt": "answer:"}
CONVERSATION = {"messages": [{"role": "user", "content": [{"text": "q?"}]}]}
CALLS: list[tuple[str, str, str, object]] = [
    ("GetModelImportJob", "GET", "/model-import-jobs/import-tiny", None),
    ("ListModelImportJobs", "GET", "/model-import-jobs?maxResults=1", None),
    ("GetImportedModel", "GET", "/imported-models/tiny", None),
    ("ListImportedModels", "GET", "/imported-models", None),
    ("ListTagsForResource", "POST", "/listTagsForResource", {"resourceARN": MODEL}),
    ("Converse", "POST", f"/model/{MODEL}/converse", CONVERSATION),
]
STREAMS = [
    ("InvokeModelWithResponseStream", "invoke-with-response-stream", "body", INVOCATION),
    ("ConverseStream", "converse-stream", "stream", CONVERSATION),
]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[BedrockEndpoint]:
    with bedrock_endpoint() as served:
        yield served


@pytest.fixture(scope="module")
def model(endpoint: BedrockEndpoint) -> str:
    uri = endpoint.stage(tiny_checkpoint())
    job = endpoint.start_import(
        uri,
        importedModelTags=[{"key": "k", "value": "v"}],
        vpcConfig={"subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1"]},
        importedModelKmsKeyId=f"arn:aws:kms:{REGION}:{ACCOUNT_ID}:key/{'0' * 36}",
    )
    return str(endpoint.end_import(job)["importedModelArn"])


def output_shape(operation: str) -> Shape:
    for service in ("bedrock", "bedrock-runtime"):
        model = botocore.session.get_session().get_service_model(service)
        if operation in model.operation_names:
            shape = model.operation_model(operation).output_shape
            assert shape is not None
            return shape
    raise LookupError(operation)


def deviations(shape: Shape, value: Any, at: str) -> Iterator[str]:  # noqa: ANN401  any JSON
    """Yield where an answer is not as its shape says."""
    if isinstance(shape, StructureShape):
        yield from (f"{at}.{name} is unknown" for name in value.keys() - shape.members.keys())
        yield from (
            f"{at}.{name} is missing" for name in shape.required_members if name not in value
        )
        for name in value.keys() & shape.members.keys():
            yield from deviations(shape.members[name], value[name], f"{at}.{name}")
    elif isinstance(shape, ListShape):
        for position, member in enumerate(value):
            yield from deviations(shape.member, member, f"{at}.{position}")
    elif isinstance(shape, StringShape):
        if shape.enum and value not in shape.enum:
            yield f"{at}: {value} is none of {shape.enum}"
        if not re.fullmatch(shape.metadata.get("pattern", ".*"), value, re.DOTALL):
            yield f"{at}: {value} does not match"
    elif shape.type_name == "timestamp":
        assert datetime.fromisoformat(value).tzinfo
    else:
        python = {"integer": int, "long": int, "boolean": bool, "blob": str}[shape.type_name]
        if type(value) is not python:
            yield f"{at}: {value} is no {shape.type_name}"


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call[0])
def test_an_answer_has_documented_members_only(
    endpoint: BedrockEndpoint, model: str, call: tuple[str, str, str, object]
) -> None:
    operation, method, path, body = call
    path = path.replace(MODEL, encoded(model))
    body = json.loads(json.dumps(body).replace(MODEL, model))
    status, headers, answer = endpoint.request(method, path, body)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert headers["x-amzn-requestid"]
    assert list(deviations(output_shape(operation), answer, operation)) == []


def test_every_member_that_a_finished_import_can_have_is_there(
    endpoint: BedrockEndpoint, model: str
) -> None:
    for operation, path in (
        ("GetModelImportJob", "/model-import-jobs/import-tiny"),
        ("GetImportedModel", f"/imported-models/{encoded(model)}"),
    ):
        _, _, answer = endpoint.request("GET", path)
        shape = output_shape(operation)
        assert isinstance(shape, StructureShape)
        assert shape.members.keys() - answer.keys() <= {"failureMessage"}


def test_a_created_job_answers_201_with_its_arn_only(endpoint: BedrockEndpoint, model: str) -> None:
    del model
    status, _, answer = endpoint.request(
        "POST",
        "/model-import-jobs",
        {
            "jobName": "import-another",
            "importedModelName": "another",
            "roleArn": ROLE_ARN,
            "modelDataSource": {"s3DataSource": {"s3Uri": "s3://staging/nothing/"}},
        },
    )
    assert status == 201
    assert list(deviations(output_shape("CreateModelImportJob"), answer, "job")) == []


@pytest.mark.parametrize("call", STREAMS, ids=lambda call: call[0])
def test_a_stream_has_documented_events_only(
    endpoint: BedrockEndpoint, model: str, call: tuple[str, str, str, object]
) -> None:
    operation, action, stream, body = call
    url = f"{endpoint.url}/model/{encoded(model)}/{action}"
    answer = endpoint.http.request("POST", url, body=json.dumps(body).encode())
    assert answer.headers["content-type"] == "application/vnd.amazon.eventstream"
    shape = output_shape(operation)
    assert isinstance(shape, StructureShape)
    events = shape.members[stream]
    assert isinstance(events, StructureShape)
    buffer = EventStreamBuffer()
    buffer.add_data(answer.data)
    messages: list[Any] = list(buffer)
    assert messages
    for message in messages:
        assert message.headers[":message-type"] == "event"
        event = events.members[message.headers[":event-type"]]
        assert list(deviations(event, json.loads(message.payload), event.name)) == []


def test_an_error_has_its_documented_status_name_and_message(endpoint: BedrockEndpoint) -> None:
    status, headers, answer = endpoint.request("GET", "/imported-models/nobody")
    assert (status, headers["x-amzn-errortype"]) == (404, "ResourceNotFoundException")
    assert answer == {"message": "The imported model nobody does not exist."}


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("GET", "/foundation-models", "ListFoundationModels is not in the local Bedrock."),
        ("POST", "/model/x/async-invoke", "Bedrock has no POST /model/x/async-invoke."),
        ("DELETE", "/model-import-jobs/x", "Bedrock has no DELETE /model-import-jobs/x."),
        ("GET", "/", "Bedrock has no GET /."),
    ],
)
def test_what_is_not_here_says_so(
    endpoint: BedrockEndpoint, method: str, path: str, message: str
) -> None:
    status, headers, answer = endpoint.request(method, path)
    assert (status, headers["x-amzn-errortype"]) == (404, "UnknownOperationException")
    assert answer["message"] == message


def test_an_arn_in_a_path_may_have_its_slash_written_out(
    endpoint: BedrockEndpoint, model: str
) -> None:
    status, _, answer = endpoint.request("POST", f"/model/{model}/invoke", INVOCATION)
    assert (status, answer["generation"]) == (200, "金管")


def test_a_server_that_passes_on_the_decoded_path_only_will_do(
    endpoint: BedrockEndpoint, model: str
) -> None:
    class Silent(WSGIRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    def ask(url: str) -> Any:  # noqa: ANN401  any JSON
        body = json.dumps(INVOCATION).encode()
        answer = endpoint.http.request("POST", f"{url}/model/{encoded(model)}/invoke", body=body)
        return json.loads(answer.data)

    with (
        make_server("127.0.0.1", 0, endpoint, WSGIServer, Silent) as server,
        ThreadPoolExecutor(1) as threads,
    ):
        handled = threads.submit(server.handle_request)
        answer = ask(f"http://127.0.0.1:{server.server_port}")
        handled.result()
    assert answer["generation"] == "金管"


def test_threads_share_a_model(endpoint: BedrockEndpoint, model: str) -> None:
    prompts = ["answer:", "z"] * 4
    with ThreadPoolExecutor(4) as threads:
        answers = threads.map(
            lambda prompt: endpoint.invoke(model, {"prompt": prompt, "max_gen_len": 9}), prompts
        )
        assert [answer["generation"] for answer in answers] == ["金管", "z" * 9] * 4


def test_of_jobs_started_at_once_one_is_accepted() -> None:
    with bedrock_endpoint() as endpoint:
        uri = endpoint.stage({})
        endpoint.clock.reading_seconds = 0.01

        def start(number: int) -> bool:
            try:
                endpoint.start_import(uri, f"model-{number}")
            except endpoint.bedrock.exceptions.ServiceQuotaExceededException:
                return False
            return True

        with ThreadPoolExecutor(4) as threads:
            assert sum(threads.map(start, range(8))) == 1
