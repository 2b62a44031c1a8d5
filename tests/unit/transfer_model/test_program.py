"""What surrounds the transfer in its task: settings, heartbeats, progress object, metrics."""

from __future__ import annotations

import io
import json
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

import pytest
from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from hypothesis import given, strategies as st

from model_import.errors import (
    ChecksumMismatchError,
    InvalidInputError,
    TransferInterruptedError,
)
from model_import.manifest import RepositoryFile, Slice, Source, Staging
from model_import.transfer.progress import Progress
from model_import.transfer.slice_progress import SliceProgress
from transfer_model.progress_metrics import ProgressMetrics
from transfer_model.progress_object import ProgressObject
from transfer_model.settings import TransferTaskSettings
from transfer_model.task_token import ExecutionMovedOnError, Heartbeats, TaskToken

if TYPE_CHECKING:
    from collections.abc import Iterator


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
    bytes_arrived: int, *, bytes_done: int = 0, files_done: int = 0, **counts: int
) -> Progress:
    return Progress(bytes_done, bytes_arrived, 1000, files_done, files_total=2, **counts)


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}}, "SendTaskHeartbeat")


def lines(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_the_slice_is_all_that_must_be_named() -> None:
    settings = TransferTaskSettings.from_environ(
        {"SLICE_URI": "s3://staging/imports/1/slice-0.json"}
    )

    assert settings == TransferTaskSettings(
        "s3://staging/imports/1/slice-0.json", None, None, 32, 300, "model-import"
    )


@pytest.mark.parametrize(("connections", "spare_buffers"), [(1, 8), (4, 8), (16, 8), (64, 32)])
def test_half_as_many_buffers_as_connections_are_spare_and_eight_at_least(
    connections: int, spare_buffers: int
) -> None:
    environ = {"SLICE_URI": "s3://staging/a", "TRANSFER_CONNECTIONS": str(connections)}

    assert TransferTaskSettings.from_environ(environ).spare_buffers == spare_buffers


def test_everything_else_can_be_set() -> None:
    settings = TransferTaskSettings.from_environ(
        {
            "SLICE_URI": "s3://staging/a",
            "HUB_TOKEN_SECRET_ARN": "arn:secret",
            "TRANSFER_CONNECTIONS": "64",
            "TRANSFER_HEARTBEAT_SECONDS": "120",
            "EXPECTED_BUCKET_OWNER": "123456789012",
            "STACK_NAME": "imports",
        }
    )

    assert settings == TransferTaskSettings(
        "s3://staging/a", "arn:secret", "123456789012", 64, 120, "imports"
    )


@pytest.mark.parametrize(
    ("environ", "hub", "s3"),
    [
        ({"REQUESTS_CA_BUNDLE": "all.pem"}, "all.pem", "all.pem"),
        ({"AWS_CA_BUNDLE": "aws.pem"}, None, "aws.pem"),
        ({"AWS_CA_BUNDLE": "aws.pem", "REQUESTS_CA_BUNDLE": "all.pem"}, "all.pem", "aws.pem"),
        ({"AWS_CA_BUNDLE": "", "REQUESTS_CA_BUNDLE": ""}, None, None),
    ],
)
def test_a_bundle_of_certificate_authorities_is_that_of_every_host_or_of_aws(
    environ: dict[str, str], hub: str | None, s3: str | None
) -> None:
    settings = TransferTaskSettings.from_environ({"SLICE_URI": "s3://staging/a", **environ})

    assert (settings.hub_ca_bundle, settings.s3_ca_bundle) == (hub, s3)


@given(st.integers(60, 100_000))
def test_nothing_is_waited_for_until_the_state_takes_the_task_for_dead(seconds: int) -> None:
    environ = {"SLICE_URI": "s3://staging/a", "TRANSFER_HEARTBEAT_SECONDS": str(seconds)}

    assert TransferTaskSettings.from_environ(environ).patience_seconds <= seconds - 15


def test_an_empty_variable_is_as_good_as_none() -> None:
    empty = {"HUB_TOKEN_SECRET_ARN": "", "TRANSFER_CONNECTIONS": ""}

    settings = TransferTaskSettings.from_environ({"SLICE_URI": "s3://staging/a", **empty})

    assert settings == TransferTaskSettings("s3://staging/a", None, None, 32, 300, "model-import")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SLICE_URI", ""),
        ("SLICE_URI", "s3://staging"),
        ("SLICE_URI", "https://staging/a"),
        ("TRANSFER_CONNECTIONS", "0"),
        ("TRANSFER_CONNECTIONS", "257"),
        ("TRANSFER_CONNECTIONS", "many"),
        ("TRANSFER_CONNECTIONS", "-1"),
        ("TRANSFER_HEARTBEAT_SECONDS", "59"),
    ],
)
def test_a_bad_variable_is_named_with_what_it_may_be(name: str, value: str) -> None:
    with pytest.raises(InvalidInputError, match=f"{name} is '{value}'. It must be "):
        TransferTaskSettings.from_environ({"SLICE_URI": "s3://staging/a", name: value})


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

    clock.now += 1000
    heartbeats(progress(1, bytes_done=1, bytes_verified=1))
    assert len(sfn.calls) == 3


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


def test_only_the_first_failure_is_told(logger: Logger) -> None:
    sfn = Sfn()
    told = task(sfn, logger)

    told.send_failure(ValueError("x"))
    told.send_failure(KeyError("y"))

    assert [call["error"] for call in sfn.calls] == ["ValueError"]


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


def emitted(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_metrics_are_a_line_every_ten_seconds_whose_sums_are_totals(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = Clock()
    metrics = ProgressMetrics("imports", "s3://staging/slice", clock)

    for second in range(1, 26):
        clock.now = 100.0 + second
        metrics(progress(100 * second, parts_stored=second, retries=second // 10, stalls=1))

    first, second_line = emitted(capsys)
    assert first["BytesMoved"] == second_line["BytesMoved"] == [1000]
    assert first["Throughput"] == second_line["Throughput"] == [100]
    assert first["PartsStored"] == second_line["PartsStored"] == [10]
    assert first["Retries"] == second_line["Retries"] == [1]
    assert (first["Stalls"], second_line["Stalls"]) == ([1], [0])


def test_the_one_dimension_of_metrics_is_the_stack(capsys: pytest.CaptureFixture[str]) -> None:
    with closing(ProgressMetrics("imports", "s3://staging/slice", Clock())) as metrics:
        metrics(progress(1))

    [line] = emitted(capsys)
    [directive] = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "model-import"
    assert directive["Dimensions"] == [["Stack"]]
    assert line["Stack"] == "imports"
    assert line["slice"] == "s3://staging/slice"


def test_what_happened_since_the_last_line_is_written_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with closing(ProgressMetrics("imports", "s3://staging/slice", Clock())) as metrics:
        metrics(progress(300))
        metrics(progress(500, bytes_done=1000, files_done=2, retries=3))

    [line] = emitted(capsys)
    assert (line["bytes_done"], line["files_done"]) == (1000, 2)
    assert (line["BytesMoved"], line["Retries"]) == ([500], [3])


def test_a_task_that_has_moved_nothing_writes_no_metric(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ProgressMetrics("imports", "s3://staging/slice", Clock()).close()

    assert emitted(capsys) == []


class Bucket:
    """Keeps what is put, and fails as it is told to."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.failure: Exception | None = None

    def put_object(self, **call: Any) -> None:  # noqa: ANN401 as boto3 takes it
        if self.failure is not None:
            raise self.failure
        assert (call["Bucket"], call["Key"]) == ("staging", "imports/1/progress/0.json")
        self.records.append(json.loads(call["Body"]))


SLICE = Slice(
    Source("http://hub", "acme/tiny", "abc"),
    Staging("staging", "models/"),
    (RepositoryFile("a", 1000, "", "sha256"),),
    report_key="imports/1/transfers/0.json",
    progress_key="imports/1/progress/0.json",
    part_bytes_at_least=1000,
)


def progress_object(bucket: Bucket, logger: Logger, clock: Clock | None = None) -> ProgressObject:
    return ProgressObject(cast("Any", bucket), SLICE, logger, clock or Clock())


def test_the_progress_object_is_written_at_once_and_every_three_seconds(logger: Logger) -> None:
    bucket, clock = Bucket(), Clock()
    written = progress_object(bucket, logger, clock)

    for second in range(1, 8):
        clock.now = 100.0 + second
        written(progress(100 * second, bytes_done=80 * second, retries=second))

    assert [record["bytes_done"] for record in bucket.records] == [80, 320, 560]
    assert [record["retries"] for record in bucket.records] == [1, 4, 7]
    assert [record["bytes_per_second"] for record in bucket.records] == [100, 100, 100]
    assert [record["eta_seconds"] for record in bucket.records] == [9, 7, 4]
    assert {record["state"] for record in bucket.records} == {"running"}


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (TransferInterruptedError("SIGTERM"), "interrupted"),
        (ExecutionMovedOnError(), "interrupted"),
        (ChecksumMismatchError("a", expected="b", found="c"), "failed"),
    ],
)
def test_the_progress_object_ends_as_the_transfer_does(
    error: Exception, state: str, logger: Logger
) -> None:
    bucket = Bucket()

    with pytest.raises(type(error)), progress_object(bucket, logger).ending():
        raise error

    [record] = bucket.records
    assert (record["state"], record["error"]) == (state, type(error).__name__)
    assert record["bytes_total"] == 1000


def test_the_last_progress_object_has_the_rate_of_the_whole_transfer(logger: Logger) -> None:
    bucket, clock = Bucket(), Clock()
    written = progress_object(bucket, logger, clock)
    with written.ending():
        clock.now += 2
        written(progress(1000, bytes_done=1000, files_done=1))

    last = bucket.records[-1]
    assert (last["state"], last["bytes_per_second"], last["eta_seconds"]) == ("succeeded", 500, 0)
    assert SliceProgress.from_dict(last).to_dict() == last


@pytest.mark.parametrize(
    "failure", [refusal("SlowDown"), ReadTimeoutError(endpoint_url="https://x")]
)
def test_a_progress_object_that_cannot_be_written_fails_nothing(
    failure: Exception, logger: Logger, written: io.StringIO
) -> None:
    bucket = Bucket()
    bucket.failure = failure
    watched = progress_object(bucket, logger)

    with watched.ending():
        watched(progress(1))

    assert [line["message"] for line in lines(written)] == ["Progress not written"] * 2
