"""Files that lie elsewhere in the bucket already: S3 copies them, and the Hub is not asked."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.servers.s3_server import OWNER, S3Fault, s3_server
from support.worlds.loopback_transfer import BUCKET, PREFIX, bytes_of, rig

from model_import.aws.bucket_owner import expecting_owner
from model_import.manifest import Staging
from model_import.staging.store import HASHES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.servers.s3_server import S3Server
    from support.worlds.loopback_transfer import Rig

    from model_import.manifest import Slice, TransferReport

SHARD = "model-00001-of-00002.safetensors"
FILES = {SHARD: bytes_of(10_500, seed=1), "small.safetensors": bytes_of(999, seed=2)}
EARLIER = "models/another/commit/"


@pytest.fixture
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def transfer(s3: S3Server, tmp_path: Path) -> Iterator[Rig]:
    with rig(s3.url, tmp_path, FILES, s3_attempts=1) as made:
        made.transfer(elsewhere(made))
        made.hub.clear_requests()
        s3.requests.clear()
        yield made


def elsewhere(transfer: Rig) -> Slice:
    return replace(transfer.slice, staging=Staging(BUCKET, EARLIER))


def from_hub(transfer: Rig) -> int:
    return sum(asked.role == "cdn" for asked in transfer.hub.requests)


def actions(report: TransferReport) -> list[str]:
    return [file.action for file in report.files]


def assert_all_is_right(transfer: Rig, s3: S3Server) -> None:
    assert {path: transfer.stored(path) for path in FILES} == FILES
    assert s3.objects[PREFIX + SHARD].metadata["source-path"] == SHARD
    assert s3.uploads == {}
    progress = transfer.progress[-1]
    assert progress.bytes_done == progress.bytes_total


def test_a_file_with_the_same_hash_is_copied_and_not_downloaded(
    transfer: Rig, s3: S3Server
) -> None:
    report = transfer.transfer()

    assert_all_is_right(transfer, s3)
    assert actions(report) == ["copied", "copied"]
    assert report.bytes_moved == 0
    assert from_hub(transfer) == 0
    assert s3.requests_of("UploadPart") == []
    assert transfer.progress[-1].bytes_copied == transfer.progress[-1].bytes_total
    assert json.loads(s3.objects[HASHES + report.files[0].sha256].content) == {
        "key": PREFIX + SHARD
    }


def test_a_copy_is_bound_to_the_source_as_it_was_looked_at(transfer: Rig, s3: S3Server) -> None:
    expecting_owner(transfer.s3, OWNER)
    transfer.transfer()

    copies = s3.requests_of("UploadPartCopy")
    etags = {s3.objects[EARLIER + path].etag for path in FILES}
    assert {request.headers["x-amz-copy-source-if-match"] for request in copies} == etags
    assert {request.headers["x-amz-source-expected-bucket-owner"] for request in copies} == {OWNER}
    assert {"bytes=0-999", "bytes=10000-10499"} <= {
        request.headers["x-amz-copy-source-range"] for request in copies
    }
    completed = s3.requests_of("CompleteMultipartUpload")
    assert all("x-amz-checksum-crc64nvme" in request.headers for request in completed)


@pytest.mark.parametrize(
    "gone",
    ["no object", "another hash", "another size", "no checksum", "no record", "a broken record"],
)
def test_what_is_not_known_to_be_the_file_is_downloaded(
    transfer: Rig, s3: S3Server, gone: str
) -> None:
    key = EARLIER + SHARD
    found = s3.objects[key]
    record = HASHES + found.metadata["sha256"]
    match gone:
        case "no object":
            del s3.objects[key]
        case "another hash":
            s3.objects[key] = replace(found, metadata={"sha256": "0" * 64})
        case "another size":
            s3.objects[key] = replace(found, content=found.content[:-1])
        case "no checksum":
            s3.objects[key] = replace(found, has_full_checksum=False)
        case "no record":
            del s3.objects[record]
        case _:
            s3.objects[record] = replace(found, content=b"[1]")

    report = transfer.transfer()

    assert_all_is_right(transfer, s3)
    assert actions(report) == ["transferred", "copied"]


@pytest.mark.parametrize(
    "fault",
    [
        S3Fault(
            "refuse", f"UploadPartCopy {PREFIX}", status=404, code="NoSuchKey", skip=4, times=9
        ),
        S3Fault(
            "refuse",
            f"UploadPartCopy {PREFIX}{SHARD}",
            status=412,
            code="PreconditionFailed",
            skip=4,
        ),
        S3Fault(
            "refuse", f"UploadPartCopy {PREFIX}", status=403, code="AccessDenied", times=math.inf
        ),
    ],
    ids=["expires", "is replaced", "is hidden"],
)
def test_a_source_that_is_lost_midway_is_made_up_for_by_the_hub(
    transfer: Rig, s3: S3Server, fault: S3Fault
) -> None:
    s3.add(fault)

    report = transfer.transfer()

    assert_all_is_right(transfer, s3)
    assert report.files[0].action == "transferred"
    copied = 11 - len([request for request in s3.requests_of("UploadPart") if SHARD in request.key])
    assert (copied > 0) is (fault.skip > 0)
    assert transfer.progress[-1].bytes_reread >= copied * 500


def test_a_copy_with_other_bytes_than_the_source_had_is_thrown_away(
    transfer: Rig, s3: S3Server
) -> None:
    found = s3.objects[EARLIER + SHARD]
    damaged = bytes([found.content[0] ^ 1]) + found.content[1:]
    told = {"HeadObject": found.content}

    class Lying(dict[str, object]):
        """Shows another object to whoever copies than to whoever looks."""

        def get(self, key: str, default: object = None) -> object:
            asked = s3.requests[-1].operation
            if key == EARLIER + SHARD and asked not in told:
                return replace(found, content=damaged)
            return super().get(key, default)

    s3.objects = Lying(s3.objects)  # type: ignore[assignment]

    report = transfer.transfer(connections=1, spare_buffers=0)

    assert report.files[0].action == "transferred"
    assert_all_is_right(transfer, s3)
    assert s3.requests_of("AbortMultipartUpload")


def test_a_copy_that_is_interrupted_goes_on_where_it_was(transfer: Rig, s3: S3Server) -> None:
    s3.add(S3Fault("refuse", f"UploadPartCopy {PREFIX}{SHARD}", skip=5))
    with pytest.raises(Exception, match="InternalError"):
        transfer.transfer()
    [upload] = [upload for upload in s3.uploads.values() if upload.key == PREFIX + SHARD]
    stored = len(upload.parts)
    s3.requests.clear()

    report = transfer.transfer()

    assert_all_is_right(transfer, s3)
    assert actions(report)[0] == "copied"
    copies = [request for request in s3.requests_of("UploadPartCopy") if SHARD in request.key]
    assert len(copies) == 11 - stored


def test_an_empty_file_is_not_looked_for(s3: S3Server, tmp_path: Path) -> None:
    with rig(s3.url, tmp_path, {"empty.safetensors": b""}) as transfer:
        transfer.transfer()

    assert [request for request in s3.requests if request.key.startswith(HASHES)] == []
