"""Transfers that are interrupted and started over, from a local Hub to an S3 that checks all."""

from __future__ import annotations

import json
import math
import random
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.servers.s3_server import OWNER, S3Fault, S3Part, etag_of, s3_server
from support.worlds.loopback_transfer import BUCKET, PREFIX, bytes_of, rig, s3_client

from model_import.aws.bucket_owner import expecting_owner
from model_import.errors import (
    ChecksumMismatchError,
    HubUnavailableError,
    StagingRefusedError,
    StagingUnavailableError,
)
from model_import.staging.hash_checkpoint import PREFIX as CHECKPOINTS
from model_import.transfer.slice_transfer import TransferSettings
from model_import_cli.folder_hub.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.servers.s3_server import S3Server
    from support.worlds.loopback_transfer import Rig

    from model_import.transfer.progress import Progress

SHARD = "model-00001-of-00002.safetensors"
KEY = PREFIX + SHARD
PART_BYTES = 1000
CONTENT = bytes_of(40_500, seed=1)
LAST_SHARD = "model-00002-of-00002.safetensors"
FILES = {SHARD: CONTENT, LAST_SHARD: bytes_of(5_001, seed=2)}
CHECKPOINT = CHECKPOINTS + KEY
SETTINGS: dict[str, Any] = {
    "connections": 4,
    "spare_buffers": 2,
    "attempts": 1,
    "progress_seconds": 0.001,
}
PARTS_IN_FLIGHT = 6


class KilledError(Exception):
    """Takes the place of a signal."""


@pytest.fixture
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def transfer(s3: S3Server, tmp_path: Path) -> Iterator[Rig]:
    with rig(s3.url, tmp_path, FILES, s3_attempts=1) as made:
        yield made


def kill(transfer: Rig, s3: S3Server, requests: int) -> bool:
    """Let S3 hear nothing more after so many requests; return whether the transfer was done."""
    s3.add(S3Fault("drop", times=math.inf, skip=requests))
    try:
        transfer.transfer(**SETTINGS)
    except StagingUnavailableError:
        return False
    finally:
        s3.clear_faults()
    return True


def terminate(transfer: Rig, looks: int) -> bool:
    """Interrupt a transfer when it tells of its progress; return whether it was done."""
    left = iter(range(looks))

    def interrupt(_: Progress) -> None:
        if next(left, None) is None:
            raise KilledError

    try:
        transfer.transfer(on_progress=interrupt, **SETTINGS)
    except KilledError:
        return False
    return True


def bytes_served(transfer: Rig) -> int:
    return sum(request.body_bytes for request in transfer.hub.requests if request.role == "cdn")


def stored_parts(s3: S3Server) -> dict[int, S3Part]:
    [upload] = s3.uploads.values()
    return upload.parts


def killed_within_the_first_file(transfer: Rig, s3: S3Server) -> None:
    """Leave the other file done, and one upload open."""
    transfer.transfer(replace(transfer.slice, files=transfer.files[1:]))
    assert not kill(transfer, s3, 40)


def interrupted(transfer: Rig, s3: S3Server) -> None:
    """Leave an upload with parts, some of them after the last checkpoint."""
    killed_within_the_first_file(transfer, s3)
    assert 10 < len(stored_parts(s3)) < 41
    assert CHECKPOINT in s3.objects
    transfer.hub.clear_requests()
    s3.requests.clear()


def asked_ranges(transfer: Rig) -> set[int]:
    """Return the indices of the parts that the Hub was asked for."""
    return {
        int(request.range_header.removeprefix("bytes=").split("-")[0]) // PART_BYTES
        for request in transfer.hub.requests
        if request.range_header is not None and SHARD in request.path
    }


def put_numbers(s3: S3Server) -> list[int]:
    return sorted(
        int(request.query["partNumber"])
        for request in s3.requests_of("UploadPart")
        if request.key == KEY
    )


def assert_all_is_right(transfer: Rig, s3: S3Server) -> None:
    assert {path: transfer.stored(path) for path in FILES} == FILES
    assert s3.uploads == {}


def test_a_transfer_that_is_interrupted_fifty_times_ends_and_moves_little_twice(
    s3: S3Server, tmp_path: Path
) -> None:
    assert TransferSettings(4, 2).parts_in_flight == PARTS_IN_FLIGHT
    dice = random.Random(4)  # noqa: S311 no secret
    files = {"a.safetensors": bytes_of(600_100, seed=3), "b.safetensors": bytes_of(5_001)}
    with rig(s3.url, tmp_path, files, s3_attempts=1) as transfer:
        for _ in range(50):
            is_killed = dice.random() < 0.7
            if is_killed:
                assert not kill(transfer, s3, dice.randrange(20))
            else:
                assert not terminate(transfer, dice.randrange(5))
        transfer.transfer(**SETTINGS)

        assert {path: transfer.stored(path) for path in files} == files
        assert s3.uploads == {}
        total = sum(map(len, files.values()))
        assert total < bytes_served(transfer) <= total + 50 * PARTS_IN_FLIGHT * PART_BYTES


def test_what_a_checkpoint_vouches_for_is_neither_read_nor_stored_again(
    transfer: Rig, s3: S3Server
) -> None:
    interrupted(transfer, s3)
    hashed = json.loads(s3.objects[CHECKPOINT].content)["parts"]
    stored = set(stored_parts(s3))

    transfer.transfer()

    assert_all_is_right(transfer, s3)
    assert hashed > 0
    assert asked_ranges(transfer) == set(range(hashed, 41))
    assert put_numbers(s3) == sorted(set(range(1, 42)) - stored)
    assert transfer.progress[-1].bytes_resumed == len(stored) * PART_BYTES + 5_001
    assert transfer.progress[-1].bytes_done == transfer.progress[-1].bytes_total


def test_a_signal_leaves_a_checkpoint_of_all_that_was_hashed(transfer: Rig, s3: S3Server) -> None:
    transfer.hub.faults.add(Fault("stall", match=f"GET /xet.*{SHARD}", skip=30, after_bytes=1))

    def interrupt(progress: Progress) -> None:
        if progress.bytes_done >= 30 * PART_BYTES:
            raise KilledError

    alone = replace(transfer.slice, files=transfer.files[:1])
    with pytest.raises(KilledError):
        transfer.transfer(alone, on_progress=interrupt, **SETTINGS)

    hashed = json.loads(s3.objects[CHECKPOINT].content)["parts"]
    stored = stored_parts(s3)
    first_that_lacks = next(number for number in range(1, 42) if number not in stored)
    assert hashed == first_that_lacks - 1
    assert 30 - PARTS_IN_FLIGHT < hashed <= len(stored)


@pytest.mark.parametrize(
    "record",
    [None, b"", b"[]", b'{"parts": 3}', b"another"],
    ids=["none", "", "[]", "part", "text"],
)
def test_without_a_usable_checkpoint_all_is_read_again_and_no_part_stored_twice(
    transfer: Rig, s3: S3Server, record: bytes | None
) -> None:
    interrupted(transfer, s3)
    stored = set(stored_parts(s3))
    del s3.objects[CHECKPOINT]
    if record is not None:
        transfer.s3.put_object(Bucket=BUCKET, Key=CHECKPOINT, Body=record)

    transfer.transfer()

    assert_all_is_right(transfer, s3)
    assert asked_ranges(transfer) == set(range(41))
    assert put_numbers(s3) == sorted(set(range(1, 42)) - stored)
    assert transfer.progress[-1].bytes_reread == len(stored) * PART_BYTES


@pytest.mark.parametrize("field", ["upload_id", "crc", "parts"])
def test_a_checkpoint_of_other_bytes_than_those_stored_is_not_believed(
    transfer: Rig, s3: S3Server, field: str
) -> None:
    interrupted(transfer, s3)
    record = json.loads(s3.objects[CHECKPOINT].content)
    record[field] = "another" if field == "upload_id" else record[field] + 1
    transfer.s3.put_object(Bucket=BUCKET, Key=CHECKPOINT, Body=json.dumps(record))

    transfer.transfer()

    assert_all_is_right(transfer, s3)
    assert asked_ranges(transfer) == set(range(41))


def test_a_checkpoint_with_another_hash_costs_one_more_round_and_no_wrong_object(
    transfer: Rig, s3: S3Server
) -> None:
    interrupted(transfer, s3)
    record = json.loads(s3.objects[CHECKPOINT].content)
    state = record["sha256_state"]
    record["sha256_state"] = ("0" if state[0] != "0" else "1") + state[1:]
    transfer.s3.put_object(Bucket=BUCKET, Key=CHECKPOINT, Body=json.dumps(record))

    report = transfer.transfer()

    assert_all_is_right(transfer, s3)
    assert report.files[0].action == "transferred"
    assert len(s3.requests_of("AbortMultipartUpload")) == 1
    assert set(range(1, 42)) <= set(put_numbers(s3))
    assert transfer.progress[-1].bytes_done == transfer.progress[-1].bytes_total


def test_a_file_that_is_damaged_at_the_hub_is_refused_after_a_resume_too(
    transfer: Rig, s3: S3Server
) -> None:
    interrupted(transfer, s3)
    transfer.hub.faults.add(Fault("flip_byte", match=SHARD, offset=40_499, times=None))

    with pytest.raises(ChecksumMismatchError):
        transfer.transfer()

    assert KEY not in s3.objects
    assert s3.uploads == {}


def test_stored_parts_that_are_damaged_are_replaced(transfer: Rig, s3: S3Server) -> None:
    interrupted(transfer, s3)
    del s3.objects[CHECKPOINT]
    wrong = bytes_of(PART_BYTES, seed=9)
    stored_parts(s3)[2] = S3Part(wrong, etag_of(wrong))
    stored_parts(s3)[3] = S3Part(wrong[:-1], etag_of(wrong[:-1]))

    transfer.transfer()

    assert_all_is_right(transfer, s3)
    assert {2, 3} <= set(put_numbers(s3))


def test_parts_of_another_size_than_planned_are_moved_anew(transfer: Rig, s3: S3Server) -> None:
    interrupted(transfer, s3)

    transfer.part_bytes = 1500
    transfer.transfer()

    assert_all_is_right(transfer, s3)


def test_parts_without_a_checksum_are_moved_anew(transfer: Rig, s3: S3Server) -> None:
    interrupted(transfer, s3)
    s3.keeps_checksums = False

    transfer.transfer()

    assert_all_is_right(transfer, s3)
    assert put_numbers(s3) == list(range(1, 42))


def test_where_no_state_of_a_hash_is_to_be_had_a_resumed_file_is_right_all_the_same(
    transfer: Rig, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model_import.checksums.sha256_state._library", lambda: None)
    killed_within_the_first_file(transfer, s3)
    assert CHECKPOINT not in s3.objects
    stored = len(stored_parts(s3))

    transfer.transfer()

    assert_all_is_right(transfer, s3)
    assert transfer.progress[-1].bytes_reread == stored * PART_BYTES


def test_a_checkpoint_of_a_machine_that_has_states_is_left_alone_by_one_that_has_none(
    transfer: Rig, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(transfer, s3)
    monkeypatch.setattr("model_import.checksums.sha256_state._library", lambda: None)

    transfer.transfer()

    assert_all_is_right(transfer, s3)


def test_of_several_uploads_the_oldest_that_fits_is_gone_on_with_and_the_rest_aborted(
    transfer: Rig, s3: S3Server
) -> None:
    s3.open_upload(KEY, checksum_type="COMPOSITE")
    oldest = s3.open_upload(KEY, {"sha256": "of the first try"})
    s3.open_upload(KEY)
    neighbour = s3.open_upload(KEY + ".bak")

    transfer.transfer()

    assert transfer.stored(SHARD) == CONTENT
    assert s3.objects[KEY].metadata == {"sha256": "of the first try"}
    assert list(s3.uploads) == [neighbour]
    assert {request.query["uploadId"] for request in s3.requests_of("CompleteMultipartUpload")} >= {
        oldest
    }


def test_a_failure_that_passes_keeps_the_parts_and_one_that_lasts_leaves_nothing_open(
    transfer: Rig, s3: S3Server
) -> None:
    transfer.hub.faults.add(Fault("status", match=f"GET /xet.*{SHARD}", status=418, skip=20))
    with pytest.raises(HubUnavailableError):
        transfer.transfer()
    assert len(stored_parts(s3)) > 5

    s3.add(S3Fault("refuse", match="UploadPart ", status=403, code="AccessDenied", times=math.inf))
    with pytest.raises(StagingRefusedError, match="AccessDenied at UploadPart"):
        transfer.transfer()
    assert s3.uploads == {}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (S3Fault("refuse", "UploadPart ", status=403, code="AccessDenied"), StagingRefusedError),
        (S3Fault("refuse", "HeadObject", status=403, code=""), StagingRefusedError),
        (S3Fault("refuse", "Create", status=404, code="NoSuchBucket"), StagingRefusedError),
        (S3Fault("refuse", "UploadPart ", status=503, code="SlowDown"), StagingUnavailableError),
        (S3Fault("refuse", "Complete", status=500), StagingUnavailableError),
        (S3Fault("refuse", "Put", status=400, code="ExpiredToken"), StagingUnavailableError),
        (S3Fault("drop", "UploadPart "), StagingUnavailableError),
        (S3Fault("drop", "ListMulti"), StagingUnavailableError),
        (S3Fault("vanish", f"UploadPart {KEY} 9"), StagingUnavailableError),
        (S3Fault("wrong_etag", f"UploadPart {KEY} 9"), StagingUnavailableError),
    ],
    ids=lambda value: (
        f"{value.kind} {value.match[:8]} {value.code}"
        if isinstance(value, S3Fault)
        else value.__name__
    ),
)
def test_what_s3_refuses_has_a_name_and_the_next_try_is_right(
    transfer: Rig, s3: S3Server, fault: S3Fault, error: type[Exception]
) -> None:
    s3.add(fault)

    with pytest.raises(error):
        transfer.transfer(attempts=1)
    assert KEY not in s3.objects

    transfer.transfer()
    assert_all_is_right(transfer, s3)


@pytest.mark.parametrize("match", ["UploadPart ", "PutObject"])
def test_an_answer_that_is_lost_is_asked_for_again(transfer: Rig, s3: S3Server, match: str) -> None:
    s3.add(S3Fault("lose_answer", match, times=3))

    transfer.transfer()

    assert_all_is_right(transfer, s3)
    assert transfer.progress[-1].retries == 3


def test_an_upload_whose_id_was_lost_on_the_way_is_not_left_open(
    s3: S3Server, tmp_path: Path
) -> None:
    s3.add(S3Fault("lose_answer", "CreateMultipartUpload"))
    with rig(s3.url, tmp_path, FILES, s3_attempts=2) as transfer:
        transfer.transfer()

        assert_all_is_right(transfer, s3)
    assert len(s3.requests_of("CreateMultipartUpload")) == 3


def test_every_request_names_the_account_that_the_bucket_must_belong_to(
    transfer: Rig, s3: S3Server
) -> None:
    interrupted(transfer, s3)

    expecting_owner(transfer.s3, OWNER)
    transfer.transfer()

    assert {request.headers.get("x-amz-expected-bucket-owner") for request in s3.requests} == {
        OWNER
    }
    assert_all_is_right(transfer, s3)


def test_a_bucket_of_somebody_else_is_not_written_to(transfer: Rig, s3: S3Server) -> None:
    with closing(expecting_owner(s3_client(s3.url, 1), "999999999999")) as stranger:
        transfer = replace(transfer, s3=stranger)
        with pytest.raises(StagingRefusedError):
            transfer.transfer()

    assert s3.objects == {}
