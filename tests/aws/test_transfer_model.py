"""The transfer program as Fargate runs it: a process with environment, exit code and log."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from support.servers.s3_server import OWNER, S3Fault, s3_server
from support.servers.scripted_server import Answer
from support.waiting import HANG_SECONDS, wait_until
from support.worlds.loopback_transfer import BUCKET, CREDENTIALS, REGION, bytes_of, moto_server
from support.worlds.transfer_task import FILES, PART_BYTES, SHARD, TASK_TOKEN, task_of

from model_import.manifest import TransferReport
from model_import.staging.hash_checkpoint import PREFIX as CHECKPOINTS
from model_import.transfer.slice_progress import SliceProgress
from model_import_cli.folder_hub.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.servers.s3_server import S3Server

HUB_TOKEN = "hf_made_up_token"


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    with moto_server() as url:
        yield url


def test_a_slice_is_moved_reported_and_logged_with_the_token_of_the_secret(
    s3_url: str, tmp_path: Path
) -> None:
    secrets = boto3.client("secretsmanager", endpoint_url=s3_url, region_name=REGION, **CREDENTIALS)
    arn = secrets.create_secret(Name="hub", SecretString=HUB_TOKEN)["ARN"]
    secrets.close()
    gated: dict[str, Any] = {"gated": "manual", "allowed_tokens": frozenset({HUB_TOKEN})}
    with task_of(s3_url, tmp_path, **gated) as task:
        code, out, err = task.run({"HUB_TOKEN_SECRET_ARN": arn})

        assert (code, err) == (0, "")
        assert {path: task.transfer.stored(path) for path in FILES} == FILES
        stored = task.transfer.s3.get_object(Bucket=BUCKET, Key=task.transfer.slice.report_key)
        report = TransferReport.from_dict(json.load(stored["Body"]))
        assert [file.path for file in report.files] == list(FILES)
        assert report.bytes_moved == sum(map(len, FILES.values()))
        assert task.reported("SendTaskHeartbeat") == [{"taskToken": TASK_TOKEN}]
        assert task.reported("SendTaskFailure") == []
        stored = task.transfer.s3.get_object(Bucket=BUCKET, Key=task.transfer.slice.progress_key)
        progress = SliceProgress.from_dict(json.load(stored["Body"]))
        assert (progress.state, progress.error) == ("succeeded", None)
        assert progress.bytes_done == progress.bytes_total == sum(map(len, FILES.values()))
    last = json.loads(out.splitlines()[-1])
    assert last["Stack"] == "imports"
    assert last["bytes_done"] == last["bytes_total"] == sum(map(len, FILES.values()))
    assert last["files_done"] == last["files_total"] == 2
    assert HUB_TOKEN not in out
    assert TASK_TOKEN not in out


def test_a_failure_is_told_by_name_and_the_exit_code_is_one(s3_url: str, tmp_path: Path) -> None:
    with task_of(s3_url, tmp_path) as task:
        task.transfer.hub.faults.add(Fault("flip_byte", match=SHARD, offset=7, times=None))

        code, _, err = task.run()

        [failure] = task.reported("SendTaskFailure")
        assert code == 1
        assert failure["error"] == "ChecksumMismatchError"
        assert SHARD in failure["cause"]
        assert failure["taskToken"] == TASK_TOKEN
        assert err == f"ChecksumMismatchError: {failure['cause']}\n"
        assert SHARD not in task.transfer.stored_paths()
        assert task.transfer.open_uploads() == []


def test_without_a_task_token_the_error_is_on_stderr_only(s3_url: str, tmp_path: Path) -> None:
    with task_of(s3_url, tmp_path) as task:
        code, out, err = task.run({"TASK_TOKEN": "", "SLICE_URI": "elsewhere"})

        assert (code, out) == (1, "")
        assert err == "InvalidInputError: SLICE_URI is 'elsewhere'. It must be s3://BUCKET/KEY.\n"
        assert task.states.requests == []


def test_a_task_that_nobody_waits_for_stops_and_keeps_its_parts_for_the_next(
    s3_url: str, tmp_path: Path
) -> None:
    timed_out = Answer(400, {"x-amzn-errortype": "TaskTimedOut"}, b'{"__type": "TaskTimedOut"}')
    with task_of(s3_url, tmp_path, timed_out) as task:
        # For ever, or a second request would bring what the first one holds back.
        stall = Fault("stall", match=f"GET .*{SHARD}", after_bytes=900, times=None)
        task.transfer.hub.faults.add(stall)

        code, out, _ = task.run()

        assert code == 1
        assert json.loads(out.splitlines()[-1])["message"].startswith("The execution has moved on")
        assert task.reported("SendTaskFailure") == []
        assert len(task.transfer.open_uploads()) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_keeps_the_parts_and_is_told_by_name(
    s3_url: str, tmp_path: Path, number: signal.Signals
) -> None:
    with task_of(s3_url, tmp_path) as task:
        hub = task.transfer.hub
        hub.faults.add(Fault("stall", match=f"GET .*{SHARD}", after_bytes=900, times=None))
        with task.start() as process:
            assert hub.faults.wait_until_stalled()
            assert len(task.transfer.open_uploads()) == 1
            task.end(process, number)

        [failure] = task.reported("SendTaskFailure")
        assert process.returncode == 1
        assert failure["error"] == "TransferInterruptedError"
        assert number.name in failure["cause"]
        assert len(task.transfer.open_uploads()) == 1
        assert SHARD not in task.transfer.stored_paths()


def test_a_signal_is_heard_while_step_functions_does_not_answer(
    s3_url: str, tmp_path: Path
) -> None:
    with task_of(s3_url, tmp_path, Answer(holds=True), Answer(body=b"{}")) as task:
        task.transfer.hub.faults.add(Fault("stall", match=f"GET .*{SHARD}", times=None))
        with task.start() as process:
            assert task.states.asked.wait(HANG_SECONDS)  # for a heartbeat
            task.end(process, signal.SIGTERM)

        [failure] = task.reported("SendTaskFailure")
        assert process.returncode == 1
        assert failure["error"] == "TransferInterruptedError"


def test_a_signal_ends_the_task_though_s3_does_not_answer_and_the_parts_stay(
    tmp_path: Path,
) -> None:
    late = "z.safetensors"
    with s3_server() as s3, task_of(s3.url, tmp_path, files={**FILES, late: b"late"}) as task:
        s3.add(S3Fault("stall", match=f"HeadObject .*{late}"))
        rest = f"GET .*{SHARD}"
        task.transfer.hub.faults.add(Fault("stall", match=rest, skip=1, after_bytes=9, times=None))
        with task.start() as process:
            assert s3.stalled.wait(HANG_SECONDS)
            wait_until(lambda: s3.requests_of("UploadPart"))
            _, _, err = task.end(process, signal.SIGTERM)

        [failure] = task.reported("SendTaskFailure")
        assert process.returncode == 1
        assert failure["error"] == "TransferInterruptedError"
        assert err == f"TransferInterruptedError: {failure['cause']}\n"
        assert [len(upload.parts) for upload in s3.uploads.values()] == [1]
        progress = json.loads(s3.objects[task.transfer.slice.progress_key].content)
        assert (progress["state"], progress["error"]) == ("interrupted", "TransferInterruptedError")


def test_a_bucket_that_is_gone_is_told_by_name(s3_url: str, tmp_path: Path) -> None:
    with task_of(s3_url, tmp_path) as task:
        code, _, err = task.run({"SLICE_URI": "s3://elsewhere/slice.json"})

        [failure] = task.reported("SendTaskFailure")
        assert code == 1
        assert failure["error"] == "StagingRefusedError"
        assert "'elsewhere': NoSuchBucket" in err


def test_a_task_that_is_killed_is_gone_on_with_by_the_next(tmp_path: Path) -> None:
    files = {SHARD: bytes_of(6 * PART_BYTES + 1000)}
    with s3_server() as s3, task_of(s3.url, tmp_path, files=files) as task:
        hub = task.transfer.hub
        hub.faults.add(Fault("stall", match=f"GET /xet.*{SHARD}", skip=5, after_bytes=9, times=2))
        with task.start() as process:
            assert hub.faults.wait_until_stalled()
            assert hub.faults.wait_until_stalled()
            wait_until(lambda: len(s3.requests_of("UploadPart")) == 5 and checkpoints(s3) > 0)
            process.kill()
        stored = [request.query["partNumber"] for request in s3.requests_of("UploadPart")]
        assert task.reported("SendTaskFailure") == []
        hub.faults.release()
        hub.clear_requests()

        code, _, err = task.run({"EXPECTED_BUCKET_OWNER": OWNER})

        assert (code, err) == (0, "")
        assert {path: task.transfer.stored(path) for path in files} == files
        assert s3.uploads == {}
        numbers = [request.query["partNumber"] for request in s3.requests_of("UploadPart")]
        assert sorted(numbers) == ["1", "2", "3", "4", "5", "6", "7"]
        assert set(stored) < set(numbers)
        ranges = [asked.range_header for asked in hub.requests if asked.role == "cdn"]
        assert f"bytes=0-{PART_BYTES - 1}" not in ranges


def checkpoints(s3: S3Server) -> int:
    return sum(key.startswith(CHECKPOINTS) for key in s3.objects)
