"""The transfer of a slice, between a local Hub that fails on request and moto's S3."""

from __future__ import annotations

import hashlib
import math
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings, strategies as st
from support.waiting import HANG_SECONDS
from support.worlds.loopback_transfer import BUCKET, PREFIX, bytes_of, moto_server, rig

from model_import.checksums.crc64 import crc64, crc64_base64
from model_import.errors import (
    ChecksumMismatchError,
    HubUnavailableError,
    InvalidInputError,
    RepositoryGatedError,
    StagingUnavailableError,
)
from model_import.manifest import Staging
from model_import.transfer.part_buffers import PartBuffers
from model_import.transfer.progress import Progress
from model_import.transfer.range_reads import Patience
from model_import_cli.folder_hub.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.worlds.loopback_transfer import Rig

SHARD = "model-00001-of-00002.safetensors"
LAST_SHARD = "model-00002-of-00002.safetensors"
FILES = {
    SHARD: bytes_of(10_500, seed=1),
    LAST_SHARD: bytes_of(999, seed=2),
    "tokenizer.json": b'{"version": "1.0"}',
    "empty.safetensors": b"",
}
FROM_CDN = rf"GET /xet-bridge-local/.*{SHARD}"


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture(autouse=True)
def _parts_may_be_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)


@pytest.fixture
def transfer(s3_url: str, tmp_path: Path) -> Iterator[Rig]:
    with rig(s3_url, tmp_path, FILES) as made:
        yield made


@contextmanager
def calls_of(transfer: Rig, operation: str) -> Iterator[list[dict[str, Any]]]:
    """Collect the parameters with which boto3 is called."""
    calls: list[dict[str, Any]] = []
    event = f"provide-client-params.s3.{operation}"

    def collect(params: dict[str, Any], **_: object) -> None:
        calls.append(params)

    transfer.s3.meta.events.register(event, collect)
    yield calls
    transfer.s3.meta.events.unregister(event, collect)


def assert_nothing_is_left(transfer: Rig) -> None:
    assert transfer.open_uploads() == []
    assert_no_thread_is_left()


def assert_no_thread_is_left() -> None:
    assert [thread for thread in threading.enumerate() if "transfer" in thread.name] == []


def test_every_file_arrives_as_it_is_and_is_reported(transfer: Rig) -> None:
    report = transfer.transfer()

    assert {path: transfer.stored(path) for path in transfer.stored_paths()} == FILES
    assert [(file.path, file.sha256, file.action) for file in report.files] == [
        (path, hashlib.sha256(content).hexdigest(), "transferred")
        for path, content in FILES.items()
    ]
    assert report.bytes_moved == sum(map(len, FILES.values()))
    assert_nothing_is_left(transfer)


def test_an_object_carries_its_hash_and_where_it_comes_from(transfer: Rig) -> None:
    transfer.transfer()

    for path in (SHARD, LAST_SHARD, "tokenizer.json"):
        metadata = transfer.s3.head_object(Bucket=BUCKET, Key=PREFIX + path)["Metadata"]
        assert metadata["sha256"] == hashlib.sha256(FILES[path]).hexdigest()
        assert metadata["source-repository"] == transfer.source.repo_id
        assert metadata["source-commit"] == transfer.source.commit
        assert metadata["source-path"] == path


def test_s3_is_given_size_and_checksum_of_the_whole_to_check(transfer: Rig) -> None:
    with (
        calls_of(transfer, "CreateMultipartUpload") as created,
        calls_of(transfer, "CompleteMultipartUpload") as completed,
    ):
        transfer.transfer()

    [upload], [whole] = created, completed
    assert (upload["ChecksumAlgorithm"], upload["ChecksumType"]) == ("CRC64NVME", "FULL_OBJECT")
    assert whole["ChecksumCRC64NVME"] == crc64_base64(crc64(FILES[SHARD]))
    assert whole["MpuObjectSize"] == len(FILES[SHARD])
    assert len(whole["MultipartUpload"]["Parts"]) == 11


def test_a_file_that_is_there_already_is_not_moved_again(transfer: Rig) -> None:
    first = transfer.transfer()
    transfer.hub.clear_requests()

    second = transfer.transfer()

    assert transfer.hub.requests == ()
    assert second.bytes_moved == 0
    assert {file.action for file in second.files} == {"skipped"}
    assert [file.sha256 for file in second.files] == [file.sha256 for file in first.files]
    assert transfer.progress[-1].bytes_done == transfer.progress[-1].bytes_total


@pytest.mark.parametrize(
    ("content", "metadata"),
    [
        (b"another size", {"sha256": hashlib.sha256(FILES[SHARD]).hexdigest()}),
        (FILES[SHARD], {"sha256": "0" * 64}),
        (FILES[SHARD], {}),
    ],
    ids=["another size", "another hash", "no hash"],
)
def test_an_object_that_is_not_known_to_be_the_file_is_replaced(
    transfer: Rig, content: bytes, metadata: dict[str, str]
) -> None:
    transfer.s3.put_object(Bucket=BUCKET, Key=PREFIX + SHARD, Body=content, Metadata=metadata)

    report = transfer.transfer()

    assert report.files[0].action == "transferred"
    assert transfer.stored(SHARD) == FILES[SHARD]


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(parts=st.integers(0, 5), more=st.integers(-1, 1), connections=st.integers(1, 6))
def test_any_size_around_any_number_of_parts_arrives(
    s3_url: str,
    tmp_path_factory: pytest.TempPathFactory,
    parts: int,
    more: int,
    connections: int,
) -> None:
    content = bytes_of(max(0, 100 * parts + more))
    with rig(s3_url, tmp_path_factory.mktemp("hub"), {"a.safetensors": content}) as transfer:
        transfer.part_bytes = 100
        transfer.transfer(connections=connections, spare_buffers=0)

        assert transfer.stored("a.safetensors") == content
        assert transfer.open_uploads() == []


@pytest.mark.parametrize("path", [SHARD, LAST_SHARD])
def test_a_flipped_byte_leaves_neither_an_object_nor_an_upload(transfer: Rig, path: str) -> None:
    transfer.hub.faults.add(Fault("flip_byte", match=f"GET .*{path}", offset=500, times=None))

    with pytest.raises(ChecksumMismatchError, match=path):
        transfer.transfer()

    assert path not in transfer.stored_paths()
    assert_nothing_is_left(transfer)


def test_a_flipped_byte_outside_lfs_is_found_by_the_git_blob_id(transfer: Rig) -> None:
    transfer.hub.faults.add(Fault("flip_byte", match="GET .*tokenizer.json", offset=3, times=None))

    with pytest.raises(ChecksumMismatchError, match="git blob"):
        transfer.transfer()

    assert "tokenizer.json" not in transfer.stored_paths()


def test_a_file_of_another_size_than_planned_is_refused_before_it_is_moved(transfer: Rig) -> None:
    longer = tuple(replace(file, size_bytes=file.size_bytes + 1) for file in transfer.files)

    with pytest.raises(ChecksumMismatchError, match=r"10500 bytes.* 10501 bytes"):
        transfer.transfer(replace(transfer.slice, files=longer[:1]))

    assert not any(asked.role == "cdn" for asked in transfer.hub.requests)


def test_a_file_is_opened_before_the_last_parts_of_the_one_before_it(
    s3_url: str, tmp_path: Path
) -> None:
    files = {"1.safetensors": bytes_of(3000, seed=1), "2.safetensors": bytes_of(2000, seed=2)}
    with rig(s3_url, tmp_path, files) as transfer:
        transfer.transfer(connections=1, spare_buffers=0)

        asked = [(request.method, request.path[-13:]) for request in transfer.hub.requests]
        opened = asked.index(("HEAD", "2.safetensors"))
        last_part = max(n for n, what in enumerate(asked) if what == ("GET", "1.safetensors"))
        assert opened < last_part


def test_a_long_file_without_a_sha256_is_refused(transfer: Rig) -> None:
    unhashed = replace(transfer.files[0], sha256=None)

    with pytest.raises(
        InvalidInputError, match=r"10500 bytes and no SHA-256 .* at most 1000 bytes"
    ):
        transfer.transfer(replace(transfer.slice, files=(unhashed,)))


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", match="HEAD", status=500, times=4),
        Fault("status", match=FROM_CDN, status=500, times=4),
        Fault("drop", match=FROM_CDN, times=4),
        Fault("reset", match=FROM_CDN, after_bytes=500, times=4),
        Fault("truncate", match=FROM_CDN, after_bytes=500, times=4),
        Fault("wrong_content_range", match=FROM_CDN, times=4),
        Fault("expire", match=FROM_CDN, skip=5, times=3),
    ],
    ids=lambda fault: f"{fault.kind} at {fault.match[:4]}",
)
def test_what_fails_at_the_hub_and_then_works_leaves_the_bytes_right(
    transfer: Rig, fault: Fault
) -> None:
    transfer.hub.faults.add(fault)

    transfer.transfer()

    assert transfer.stored(SHARD) == FILES[SHARD]
    assert len(transfer.hub.faults.struck) == fault.times
    assert_nothing_is_left(transfer)


@pytest.mark.parametrize(
    "drop", [None, Fault("reset", match=FROM_CDN, after_bytes=7000, times=2)], ids=["", "drops"]
)
def test_a_file_of_a_server_that_ignores_range_comes_in_one_stream(
    transfer: Rig, drop: Fault | None
) -> None:
    transfer.hub.faults.add(Fault("ignore_range", match=FROM_CDN, times=None))
    if drop is not None:
        transfer.hub.faults.add(drop)

    transfer.transfer()

    assert transfer.stored(SHARD) == FILES[SHARD]
    assert_nothing_is_left(transfer)


def test_a_failure_in_one_file_ends_all_of_them(transfer: Rig) -> None:
    transfer.hub.faults.add(Fault("status", match=f"GET .*{LAST_SHARD}", status=418, times=None))
    transfer.hub.faults.add(Fault("stall", match=FROM_CDN, after_bytes=10, skip=10))

    # Last, so that the first one has been opened when it fails.
    failing_last = sorted(transfer.files, key=lambda file: file.path == LAST_SHARD)

    with pytest.raises(HubUnavailableError, match="it answered 418"):
        transfer.transfer(replace(transfer.slice, files=tuple(failing_last)))

    assert SHARD not in transfer.stored_paths()
    assert transfer.open_uploads() == [PREFIX + SHARD]
    assert_no_thread_is_left()


class CountedBuffers(PartBuffers):
    """Counts what is lent, and tells when somebody has to wait."""

    def __init__(self, count: int, buffer_bytes: int) -> None:
        super().__init__(count, buffer_bytes)
        self.count, self.buffer_bytes = count, buffer_bytes
        self.used_up = threading.Event()
        self.lent = self.most_lent = 0
        self._counting = threading.Lock()

    def acquire(self) -> memoryview:
        with self._counting:
            if self.lent == self.count:
                self.used_up.set()
        buffer = super().acquire()
        with self._counting:
            self.lent += 1
            self.most_lent = max(self.most_lent, self.lent)
        return buffer

    def free(self, places: int) -> None:
        with self._counting:
            self.lent -= places
        super().free(places)


@pytest.fixture
def buffers(monkeypatch: pytest.MonkeyPatch) -> list[CountedBuffers]:
    made: list[CountedBuffers] = []

    def make(count: int, buffer_bytes: int) -> CountedBuffers:
        made.append(CountedBuffers(count, buffer_bytes))
        return made[-1]

    monkeypatch.setattr("model_import.transfer.slice_transfer.PartBuffers", make)
    return made


def test_a_stalled_part_stops_the_rest_when_the_buffers_are_used_up_and_not_before(
    transfer: Rig, buffers: list[CountedBuffers]
) -> None:
    transfer.hub.faults.add(Fault("stall", match=FROM_CDN, after_bytes=10))

    with ThreadPoolExecutor() as threads:
        report = threads.submit(transfer.transfer, connections=3, spare_buffers=2)
        assert transfer.hub.faults.wait_until_stalled()
        assert buffers[0].used_up.wait(HANG_SECONDS)
        transfer.hub.faults.release()
        assert report.result(HANG_SECONDS).bytes_moved == sum(map(len, FILES.values()))

    assert transfer.stored(SHARD) == FILES[SHARD]
    assert buffers[0].most_lent == buffers[0].count == 5
    assert buffers[0].buffer_bytes == 1000
    assert buffers[0].lent == 0


def test_a_connection_that_falls_silent_is_cut_and_its_range_goes_on_over_another(
    transfer: Rig,
) -> None:
    transfer.hub.faults.add(Fault("stall", match=FROM_CDN, after_bytes=10, skip=2, times=3))

    # Others fall silent for so long when the machine is busy: they are cut, too, and go on.
    transfer.transfer(
        hub_attempts=10**6,
        progress_seconds=0.01,
        patience=Patience(stall_seconds=0.2, hedge_seconds=math.inf),
    )

    assert transfer.stored(SHARD) == FILES[SHARD]
    assert transfer.progress[-1].stalls >= 3
    assert transfer.progress[-1].hedges == 0
    assert_nothing_is_left(transfer)


def test_a_last_range_that_is_slow_is_overtaken_by_a_second_request(transfer: Rig) -> None:
    transfer.hub.faults.add(Fault("stall", match=FROM_CDN, after_bytes=10, skip=10))

    transfer.transfer(
        progress_seconds=0.01, patience=Patience(stall_seconds=math.inf, hedge_seconds=0.01)
    )

    assert transfer.stored(SHARD) == FILES[SHARD]
    assert transfer.progress[-1].hedges >= 1
    assert transfer.progress[-1].stalls == 0
    assert_nothing_is_left(transfer)


def test_moto_copies_what_is_elsewhere_in_the_bucket_or_it_is_moved(transfer: Rig) -> None:
    transfer.transfer(replace(transfer.slice, staging=Staging(BUCKET, "models/earlier/")))

    transfer.transfer()

    assert transfer.stored(SHARD) == FILES[SHARD]
    assert_nothing_is_left(transfer)


def test_buffers_are_no_longer_than_the_longest_file(
    transfer: Rig, buffers: list[CountedBuffers]
) -> None:
    transfer.part_bytes = 1_000_000
    transfer.transfer()

    assert buffers[0].buffer_bytes == len(FILES[SHARD])


def test_threads_that_wait_for_a_buffer_end_when_the_transfer_fails(
    transfer: Rig, buffers: list[CountedBuffers]
) -> None:
    transfer.hub.faults.add(Fault("stall", match=FROM_CDN, after_bytes=10))

    def fail(_: Progress) -> None:
        assert buffers[0].used_up.wait(HANG_SECONDS)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        transfer.transfer(
            on_progress=fail,
            progress_seconds=0.01,
            connections=3,
            spare_buffers=0,
        )

    assert_no_thread_is_left()


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_the_subscriber_of_progress_raises_ends_all_and_keeps_the_parts(
    transfer: Rig, error: type[BaseException]
) -> None:
    transfer.hub.faults.add(Fault("stall", match=FROM_CDN, after_bytes=10))

    def interrupt(_: Progress) -> None:
        if transfer.open_uploads():
            raise error

    with pytest.raises(error):
        transfer.transfer(on_progress=interrupt, progress_seconds=0.01)

    assert transfer.open_uploads() == [PREFIX + SHARD]
    assert_no_thread_is_left()


def test_an_upload_that_cannot_be_aborted_is_told_with_the_first_error(transfer: Rig) -> None:
    transfer.hub.faults.add(Fault("flip_byte", match=f"GET .*{SHARD}", offset=500, times=None))

    def refuse(**_: object) -> None:
        raise RuntimeError("S3 is gone")

    transfer.s3.meta.events.register("before-parameter-build.s3.AbortMultipartUpload", refuse)
    with pytest.raises(ChecksumMismatchError) as raised:
        transfer.transfer()
    transfer.s3.meta.events.unregister("before-parameter-build.s3.AbortMultipartUpload", refuse)

    assert "S3 is gone" in "".join(raised.value.__notes__)


@pytest.mark.parametrize("answer_was_lost", [True, False])
def test_a_missing_upload_is_an_error_unless_its_object_is_there(
    transfer: Rig, monkeypatch: pytest.MonkeyPatch, *, answer_was_lost: bool
) -> None:
    complete = transfer.s3.complete_multipart_upload

    def find_no_upload(**call: Any) -> None:  # noqa: ANN401 what boto3 takes
        if answer_was_lost:
            complete(**call)
        raise ClientError({"Error": {"Code": "NoSuchUpload"}}, "CompleteMultipartUpload")

    monkeypatch.setattr(transfer.s3, "complete_multipart_upload", find_no_upload)
    refused = pytest.raises(StagingUnavailableError, match="NoSuchUpload")
    with nullcontext() if answer_was_lost else refused:
        transfer.transfer()

    assert (SHARD in transfer.stored_paths()) is answer_was_lost
    assert_no_thread_is_left()


def test_progress_is_told_by_the_calling_thread_and_ends_complete(transfer: Rig) -> None:
    told: list[tuple[str, Progress]] = []

    def tell(progress: Progress) -> None:
        told.append((threading.current_thread().name, progress))

    transfer.transfer(on_progress=tell, progress_seconds=0.001)

    total = sum(map(len, FILES.values()))
    assert {name for name, _ in told} == {threading.current_thread().name}
    parts = sum(max(1, -(-len(content) // 1000)) for content in FILES.values())
    end = told[-1][1]
    assert replace(end, bytes_sent=0) == Progress(
        total, total, total, len(FILES), len(FILES), connections=4, parts_stored=parts
    )
    assert end.bytes_sent >= total  # and checkpoints, and notes of hashes
    assert end.traffic_bytes == total + end.bytes_sent
    done = [progress.bytes_done for _, progress in told]
    assert done == sorted(done)


def test_an_empty_slice_is_done_at_once(transfer: Rig) -> None:
    report = transfer.transfer(replace(transfer.slice, files=()))

    assert report.files == ()
    assert transfer.progress == [Progress(0, 0, 0, 0, 0)]


def test_neither_log_nor_error_shows_the_token_or_a_signed_location(
    s3_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token = "hf_made_up_token"
    gated: dict[str, Any] = {"gated": "manual", "allowed_tokens": frozenset({token})}
    with rig(s3_url, tmp_path, FILES, token=token, **gated) as transfer, caplog.at_level("INFO"):
        transfer.transfer(replace(transfer.slice, files=transfer.files[1:]))
        transfer.hub.faults.add(Fault("status", match="GET /xet", status=500, times=None))
        with pytest.raises(HubUnavailableError) as raised:
            transfer.transfer()

        transfer.token = None
        with pytest.raises(RepositoryGatedError):
            transfer.transfer()

    text = caplog.text + "".join(traceback.format_exception(raised.value))
    assert "/staging/models/tiny/" in text
    assert token not in text
    assert "xet-bridge" not in text
    with_token = {(asked.role, asked.with_authorization) for asked in transfer.hub.requests}
    assert with_token == {("hub", True), ("cdn", False), ("hub", False)}
