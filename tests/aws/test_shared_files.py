"""One file that several tasks move: put together apart, verified whole, and only then in place."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.servers.s3_server import S3Fault, s3_server
from support.worlds.loopback_transfer import BUCKET, PREFIX, bytes_of, rig

from model_import.errors import ChecksumMismatchError, StagingUnavailableError
from model_import.manifest import Slice, Staging
from model_import.preparation.slicing import FanOut, cut_slices
from model_import.staging.split_uploads import ensure_upload
from model_import_cli.folder_hub.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.servers.s3_server import S3Server
    from support.worlds.loopback_transfer import Rig

    from model_import.manifest import TransferReport

SHARD = "model.safetensors"
KEY = PREFIX + SHARD
APART = f"unverified/{KEY}"
CONTENT = bytes_of(40_500, seed=1)
FILES = {SHARD: CONTENT, "small.safetensors": bytes_of(2_000, seed=2)}
FAN_OUT = FanOut(tasks_at_most=3, slice_bytes_at_least=10_000, part_bytes_at_least=1000)
SETTINGS: dict[str, Any] = {
    "attempts": 2,
    "progress_seconds": 0.001,
}


@pytest.fixture
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def transfer(s3: S3Server, tmp_path: Path) -> Iterator[Rig]:
    with rig(s3.url, tmp_path, FILES, s3_attempts=1) as made:
        yield made


def prepared(transfer: Rig) -> list[Slice]:
    """Return the slices, as Prepare Repository leaves them."""
    staging = Staging(BUCKET, PREFIX)
    shares = cut_slices(transfer.files, FAN_OUT)
    for file in {run.file for share in shares for run in share.part_runs}:
        ensure_upload(transfer.s3, staging, transfer.source, file)
    return [
        replace(
            transfer.slice,
            files=tuple(share.files),
            part_runs=tuple(share.part_runs),
            report_key=f"imports/1/transfers/{number}.json",
            claims_prefix="imports/1/claims/",
        )
        for number, share in enumerate(shares)
    ]


def moved(transfer: Rig, slice_: Slice) -> TransferReport:
    return transfer.transfer(slice_, **SETTINGS)


def bytes_served(transfer: Rig) -> int:
    return sum(request.body_bytes for request in transfer.hub.requests if request.role == "cdn")


def assert_all_is_right(transfer: Rig, s3: S3Server) -> None:
    assert {path: transfer.stored(path) for path in FILES} == FILES
    assert s3.uploads == {}
    assert [key for key in s3.objects if key.startswith("unverified/")] == []


def test_each_task_moves_its_parts_and_the_last_puts_the_file_in_its_place(
    transfer: Rig, s3: S3Server
) -> None:
    slices = prepared(transfer)
    assert [len(slice_.part_runs) for slice_ in slices] == [1, 1, 1]

    first, second = (moved(transfer, slice_) for slice_ in slices[:2])
    assert KEY not in s3.objects
    last = moved(transfer, slices[2])

    assert_all_is_right(transfer, s3)
    assert SHARD not in {file.path for report in (first, second) for file in report.files}
    (placed,) = (file for file in last.files if file.path == SHARD)
    assert (placed.action, placed.sha256) == ("copied", transfer.files[0].sha256)
    assert sum(report.bytes_moved for report in (first, second, last)) == 42_500
    assert bytes_served(transfer) == 42_500


def test_an_object_in_place_says_that_it_is_verified_and_where_it_comes_from(
    transfer: Rig, s3: S3Server
) -> None:
    for slice_ in prepared(transfer):
        moved(transfer, slice_)

    assert s3.objects[KEY].metadata["sha256"] == transfer.files[0].sha256
    assert s3.objects[KEY].metadata["source-commit"] == transfer.source.commit


def test_tasks_that_run_at_once_end_with_one_right_file(transfer: Rig, s3: S3Server) -> None:
    slices = prepared(transfer)

    with ThreadPoolExecutor(3) as tasks:
        list(tasks.map(lambda slice_: moved(transfer, slice_), slices))

    assert_all_is_right(transfer, s3)
    completed = [request.key for request in s3.requests_of("CompleteMultipartUpload")]
    assert (completed.count(APART), completed.count(KEY)) == (1, 1)


def test_the_progress_of_the_last_task_counts_what_it_reads_back(transfer: Rig) -> None:
    *others, last = prepared(transfer)
    for slice_ in others:
        moved(transfer, slice_)
    transfer.progress.clear()

    moved(transfer, last)

    end = transfer.progress[-1]
    assert end.bytes_verified == len(CONTENT)
    assert end.bytes_done == end.bytes_total == last.size_bytes + len(CONTENT)
    assert end.files_done == end.files_total


def test_a_task_that_starts_over_moves_only_the_parts_that_are_not_there(
    transfer: Rig, s3: S3Server
) -> None:
    slices = prepared(transfer)
    s3.add(S3Fault("drop", match=f"UploadPart {APART}", skip=6, times=math.inf))
    with pytest.raises(StagingUnavailableError):
        moved(transfer, slices[0])
    s3.clear_faults()
    (upload,) = s3.uploads.values()
    there = set(upload.parts)
    assert len(there) == 6
    s3.requests.clear()

    moved(transfer, slices[0])

    numbers = {int(request.query["partNumber"]) for request in s3.requests_of("UploadPart")}
    assert not numbers & there
    for slice_ in slices[1:]:
        moved(transfer, slice_)
    assert_all_is_right(transfer, s3)


def test_a_flipped_byte_is_found_in_the_whole_and_nothing_is_left_of_it(
    transfer: Rig, s3: S3Server
) -> None:
    *others, last = prepared(transfer)
    transfer.hub.faults.add(Fault("flip_byte", match=SHARD, offset=500))
    for slice_ in others:
        moved(transfer, slice_)

    with pytest.raises(ChecksumMismatchError, match=SHARD):
        moved(transfer, last)

    assert not [key for key in s3.objects if SHARD in key]
    assert s3.uploads == {}


def test_a_task_that_is_lost_while_it_reads_back_reads_back_again(
    transfer: Rig, s3: S3Server
) -> None:
    *others, last = prepared(transfer)
    for slice_ in others:
        moved(transfer, slice_)
    s3.add(S3Fault("drop", match=f"GetObject {APART}", skip=5, times=math.inf))
    with pytest.raises(StagingUnavailableError):
        moved(transfer, last)
    assert KEY not in s3.objects
    assert APART in s3.objects
    s3.clear_faults()

    moved(transfer, last)

    assert_all_is_right(transfer, s3)


def test_preparing_again_opens_no_second_upload(transfer: Rig, s3: S3Server) -> None:
    first = prepared(transfer)
    (upload_id,) = s3.uploads

    assert prepared(transfer) == first
    assert list(s3.uploads) == [upload_id]

    for slice_ in first:
        moved(transfer, slice_)
    assert_all_is_right(transfer, s3)


def test_another_execution_for_the_same_commit_moves_nothing(transfer: Rig, s3: S3Server) -> None:
    for slice_ in prepared(transfer):
        moved(transfer, slice_)
    transfer.hub.clear_requests()

    reports = [moved(transfer, slice_) for slice_ in prepared(transfer)]

    assert sum(report.bytes_moved for report in reports) == 0
    assert bytes_served(transfer) == 0
    assert_all_is_right(transfer, s3)


def test_a_file_that_another_task_has_claimed_is_left_to_it(transfer: Rig, s3: S3Server) -> None:
    first, second, third = prepared(transfer)
    moved(transfer, first)
    moved(transfer, second)
    claim = f"imports/1/claims/{transfer.files[0].sha256}"
    transfer.s3.put_object(Bucket=BUCKET, Key=claim, Body=first.report_key.encode())

    moved(transfer, third)
    assert KEY not in s3.objects
    assert APART not in {request.key for request in s3.requests_of("CompleteMultipartUpload")}

    moved(transfer, first)  # starts over, and finds its own claim
    assert_all_is_right(transfer, s3)


def test_an_upload_that_has_vanished_is_told_as_what_another_try_may_mend(
    transfer: Rig, s3: S3Server
) -> None:
    slice_, *_ = prepared(transfer)
    s3.uploads.clear()

    with pytest.raises(StagingUnavailableError, match="neither an upload nor an object"):
        moved(transfer, slice_)

    assert KEY not in s3.objects


def test_a_file_of_another_size_than_planned_is_refused_before_it_is_moved(
    transfer: Rig, s3: S3Server
) -> None:
    slice_, *_ = prepared(transfer)
    (run,) = slice_.part_runs
    other = replace(run, file=replace(run.file, size_bytes=run.file.size_bytes + 1))

    with pytest.raises(ChecksumMismatchError, match="40501 bytes"):
        moved(transfer, replace(slice_, part_runs=(other,)))

    assert not s3.requests_of("UploadPart")
