"""What surrounds the transfer in its task: settings, heartbeats, log lines."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given, strategies as st

from model_import.errors import ChecksumMismatchError, InvalidInputError
from model_import.progress import Progress
from transfer_model.progress_log import ProgressLog
from transfer_model.settings import Settings
from transfer_model.task_token import ExecutionMovedOnError, Heartbeats, TaskToken

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1024 * 1024


class Clock:
    """A clock that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Sfn:
    """Keeps what it is told, and fails as it is told to."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.calls: list[dict[str, str]] = []
        self.failure = failure

    def send_task_heartbeat(self, **call: str) -> None:
        self._take(call)

    def send_task_failure(self, **call: str) -> None:
        self._take(call)

    def _take(self, call: dict[str, str]) -> None:
        self.calls.append(call)
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def written() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def logger(written: io.StringIO, request: pytest.FixtureRequest) -> Iterator[Logger]:
    logger = Logger(service=request.node.name, level="INFO", stream=written)
    yield logger
    logger.handlers.clear()


def task(sfn: Sfn, logger: Logger) -> TaskToken:
    return TaskToken(cast("Any", sfn), "token", logger)


def progress(
    bytes_arrived: int, *, bytes_done: int = 0, files_done: int = 0, files_total: int = 2
) -> Progress:
    return Progress(bytes_done, bytes_arrived, 1000, files_done, files_total)


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}}, "SendTaskHeartbeat")


def lines(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_the_slice_is_all_that_must_be_named() -> None:
    settings = Settings.from_environ({"SLICE_URI": "s3://staging/imports/1/slice-0.json"})

    assert settings == Settings("staging", "imports/1/slice-0.json", None, None, 32, 16 * MIB, 300)


def test_everything_else_can_be_set() -> None:
    settings = Settings.from_environ(
        {
            "SLICE_URI": "s3://staging/a",
            "HUB_TOKEN_SECRET_ARN": "arn:secret",
            "TRANSFER_CONNECTIONS": "64",
            "TRANSFER_PART_BYTES": str(8 * MIB),
            "TRANSFER_HEARTBEAT_SECONDS": "120",
            "EXPECTED_BUCKET_OWNER": "123456789012",
        }
    )

    assert settings == Settings("staging", "a", "arn:secret", "123456789012", 64, 8 * MIB, 120)


@given(st.integers(60, 100_000))
def test_nothing_is_waited_for_until_the_state_takes_the_task_for_dead(seconds: int) -> None:
    environ = {"SLICE_URI": "s3://staging/a", "TRANSFER_HEARTBEAT_SECONDS": str(seconds)}

    assert Settings.from_environ(environ).patience_seconds <= seconds - 15


def test_an_empty_variable_is_as_good_as_none() -> None:
    empty = {"HUB_TOKEN_SECRET_ARN": "", "TRANSFER_CONNECTIONS": "", "TRANSFER_PART_BYTES": ""}

    settings = Settings.from_environ({"SLICE_URI": "s3://staging/a", **empty})

    assert settings == Settings("staging", "a", None, None, 32, 16 * MIB, 300)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SLICE_URI", ""),
        ("SLICE_URI", "s3://staging"),
        ("SLICE_URI", "https://staging/a"),
        ("TRANSFER_CONNECTIONS", "0"),
        ("TRANSFER_CONNECTIONS", "257"),
        ("TRANSFER_CONNECTIONS", "many"),
        ("TRANSFER_PART_BYTES", str(5 * MIB - 1)),
        ("TRANSFER_PART_BYTES", "-1"),
        ("TRANSFER_HEARTBEAT_SECONDS", "59"),
    ],
)
def test_a_bad_variable_is_named_with_what_it_may_be(name: str, value: str) -> None:
    with pytest.raises(InvalidInputError, match=f"{name} is '{value}'. It must be "):
        Settings.from_environ({"SLICE_URI": "s3://staging/a", name: value})


def test_a_heartbeat_is_sent_when_the_first_bytes_have_moved(logger: Logger) -> None:
    sfn = Sfn()
    heartbeats = Heartbeats(task(sfn, logger), Clock())

    heartbeats(progress(0))
    assert sfn.calls == []

    heartbeats(progress(1))
    assert sfn.calls == [{"taskToken": "token"}]


def test_heartbeats_are_ten_seconds_apart(logger: Logger) -> None:
    sfn, clock = Sfn(), Clock()
    heartbeats = Heartbeats(task(sfn, logger), clock)

    for second in range(31):
        clock.now = 100.0 + second
        heartbeats(progress(second + 1))

    assert len(sfn.calls) == 4


def test_there_is_no_heartbeat_without_bytes(logger: Logger) -> None:
    sfn, clock = Sfn(), Clock()
    heartbeats = Heartbeats(task(sfn, logger), clock)
    heartbeats(progress(1))

    clock.now += 1000
    heartbeats(progress(1))
    heartbeats(progress(1, files_done=1))
    assert len(sfn.calls) == 1

    heartbeats(progress(1, bytes_done=1))
    assert len(sfn.calls) == 2


@pytest.mark.parametrize("code", ["InvalidToken", "TaskDoesNotExist", "TaskTimedOut"])
def test_a_heartbeat_that_nobody_waits_for_ends_the_transfer(code: str, logger: Logger) -> None:
    with pytest.raises(ExecutionMovedOnError):
        Heartbeats(task(Sfn(refusal(code)), logger))(progress(1))


@pytest.mark.parametrize(
    "failure", [refusal("ThrottlingException"), EndpointConnectionError(endpoint_url="https://x")]
)
def test_a_heartbeat_that_fails_otherwise_is_logged(
    failure: Exception, logger: Logger, written: io.StringIO
) -> None:
    Heartbeats(task(Sfn(failure), logger))(progress(1))

    [line] = lines(written)
    assert (line["level"], line["message"]) == ("WARNING", "Heartbeat not sent")
    assert line["reason"] == str(failure)


def test_a_failure_has_the_name_of_its_error(logger: Logger) -> None:
    sfn = Sfn()
    error = ChecksumMismatchError("a", expected="b", found="c")

    task(sfn, logger).send_failure(error)

    assert sfn.calls == [
        {"taskToken": "token", "error": "ChecksumMismatchError", "cause": str(error)}
    ]


def test_a_cause_is_cut_to_what_step_functions_takes(logger: Logger) -> None:
    sfn = Sfn()

    task(sfn, logger).send_failure(ValueError("x" * 40_000))

    assert len(sfn.calls[0]["cause"]) == 32_768


def test_a_failure_that_nobody_waits_for_is_logged(logger: Logger, written: io.StringIO) -> None:
    task(Sfn(refusal("TaskTimedOut")), logger).send_failure(ValueError("x"))

    assert [line["message"] for line in lines(written)] == ["Failure not reported"]


def test_without_a_token_nothing_is_sent(logger: Logger) -> None:
    sfn = Sfn()
    nobody = TaskToken(cast("Any", sfn), None, logger)

    nobody.send_failure(ValueError("x"))
    nobody.send_heartbeat()

    assert sfn.calls == []


def test_progress_is_a_line_of_json_a_second(logger: Logger, written: io.StringIO) -> None:
    clock = Clock()
    log = ProgressLog(logger, clock)

    for tenth in range(1, 26):
        clock.now = 100 + tenth / 10
        log(progress(100 * tenth, bytes_done=50 * tenth))

    assert [
        {
            name: line[name]
            for name in (
                "message",
                "bytes_done",
                "bytes_total",
                "bytes_per_second",
                "files_done",
                "files_total",
            )
        }
        for line in lines(written)
    ] == [
        {
            "message": "Progress",
            "bytes_done": done,
            "bytes_total": 1000,
            "bytes_per_second": 1000,
            "files_done": 0,
            "files_total": 2,
        }
        for done in (500, 1000)
    ]


def test_the_last_line_of_progress_is_always_written(logger: Logger, written: io.StringIO) -> None:
    log = ProgressLog(logger, Clock())

    log(progress(500, bytes_done=1000, files_done=2))

    [line] = lines(written)
    assert (line["bytes_done"], line["files_done"]) == (1000, 2)
    assert line["bytes_per_second"] == 0
