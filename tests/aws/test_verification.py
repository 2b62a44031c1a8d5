"""The bucket held against the manifest: every difference is named, and agreement is in figures."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws
from support.fakes.fake_repository import COMMIT, SOURCE

from model_import.aws.records import write_record
from model_import.errors import StagingMismatchError
from model_import.manifest import (
    Manifest,
    StagedFile,
    Staging,
    TransferredFile,
    TransferReport,
)
from model_import.staging.verification import verify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

BUCKET = "staging"
STAGING = Staging(BUCKET, f"models/acme/tiny-llama/{COMMIT}/")
CONTENTS = {
    "config.json": b"{}",
    "model-00001-of-00002.safetensors": b"the first shard",
    "model-00002-of-00002.safetensors": b"the second",
}
FIRST, SECOND = list(CONTENTS)[1:]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def staged_file(path: str) -> StagedFile:
    kind = "weights" if path.endswith(".safetensors") else "metadata"
    return StagedFile(path, len(CONTENTS[path]), sha256(CONTENTS[path]), kind)  # type: ignore[arg-type]  # one of the two


def report(path: str, seconds: float) -> TransferReport:
    size_bytes = len(CONTENTS[path])
    moved = TransferredFile(path, size_bytes, sha256(CONTENTS[path]), "transferred", seconds)
    return TransferReport((moved,), size_bytes, seconds)


MANIFEST = Manifest(
    execution_name="run-1",
    source=SOURCE,
    revision="main",
    model_name="acme-tiny-llama-5c4a6b8f",
    staging=STAGING,
    files=tuple(staged_file(path) for path in CONTENTS),
    report_keys=("imports/run-1/transfers/0.json", "imports/run-1/transfers/1.json"),
)


@pytest.fixture(scope="module")
def client() -> Iterator[S3Client]:
    """Return one client for all tests, since it takes long to make."""
    with mock_aws():
        yield boto3.client("s3", region_name="us-east-1")


@pytest.fixture
def s3(client: S3Client) -> Iterator[S3Client]:
    """Return a client of a bucket where everything is as it should be."""
    client.create_bucket(Bucket=BUCKET)
    for path, content in CONTENTS.items():
        put(client, path, content)
    write_record(client, BUCKET, MANIFEST.report_keys[0], report(FIRST, 2.0).to_dict())
    write_record(client, BUCKET, MANIFEST.report_keys[1], report(SECOND, 3.00049).to_dict())
    yield client
    for entry in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=entry["Key"])
    client.delete_bucket(Bucket=BUCKET)


def put(s3: S3Client, path: str, content: bytes, recorded: str | None = None) -> None:
    """Write an object, with the hash of its content unless another is given."""
    metadata = {"sha256": sha256(content) if recorded is None else recorded}
    s3.put_object(Bucket=BUCKET, Key=STAGING.key(path), Body=content, Metadata=metadata)


def checked(s3: S3Client, manifest: Manifest = MANIFEST) -> dict[str, object]:
    uri = write_record(s3, BUCKET, "imports/run-1/manifest.json", manifest.to_dict())
    return verify(s3, uri)


def differences(s3: S3Client, manifest: Manifest = MANIFEST) -> list[str]:
    with pytest.raises(StagingMismatchError) as caught:
        checked(s3, manifest)
    beginning, end = f"{STAGING.s3_uri} differs from the manifest: ", ". Nothing was imported."
    sentence = str(caught.value)
    assert sentence.startswith(beginning)
    return sentence.removeprefix(beginning).partition(end)[0].split("; ")


def other_hash(path: str, recorded: str | None) -> str:
    wanted = sha256(CONTENTS[path])
    return f"{path} has the recorded SHA-256 {recorded} instead of {wanted}"


def without_announced_hash(path: str) -> Manifest:
    """Return the manifest as it is when the Hub announces no SHA-256 for a file."""
    files = [replace(file, sha256=None) if file.path == path else file for file in MANIFEST.files]
    return replace(MANIFEST, files=tuple(files))


def test_a_complete_transfer_is_told_in_figures(s3: S3Client) -> None:
    assert checked(s3) == {"files": 3, "bytes": 27, "bytes_moved": 25, "seconds": 3.0}


def test_a_model_without_a_transfer_has_taken_no_time(s3: S3Client) -> None:
    assert checked(s3, replace(MANIFEST, report_keys=()))["seconds"] == 0.0


def test_a_missing_report_is_named_with_the_file_that_it_alone_has_the_hash_of(
    s3: S3Client,
) -> None:
    s3.delete_object(Bucket=BUCKET, Key=MANIFEST.report_keys[1])
    missing = f"there is no task report at {MANIFEST.report_keys[1]}"
    assert differences(s3) == [missing]
    assert differences(s3, without_announced_hash(SECOND)) == [
        missing,
        f"{SECOND} has the recorded SHA-256 {sha256(CONTENTS[SECOND])} instead of None",
    ]


@pytest.mark.parametrize("path", CONTENTS)
def test_a_missing_object_is_named(s3: S3Client, path: str) -> None:
    s3.delete_object(Bucket=BUCKET, Key=STAGING.key(path))
    assert differences(s3) == [f"{path} is missing"]


@pytest.mark.parametrize("path", CONTENTS)
def test_an_object_of_another_size_is_named_with_both_sizes(s3: S3Client, path: str) -> None:
    put(s3, path, CONTENTS[path] + b"!")
    size_bytes = len(CONTENTS[path])
    assert differences(s3) == [f"{path} has {size_bytes + 1} bytes instead of {size_bytes}"]


@pytest.mark.parametrize("path", CONTENTS)
def test_an_object_recorded_with_another_hash_is_named_with_both(s3: S3Client, path: str) -> None:
    put(s3, path, CONTENTS[path], recorded="0" * 64)
    assert differences(s3) == [other_hash(path, "0" * 64)]


def test_an_object_without_a_recorded_hash_is_named(s3: S3Client) -> None:
    s3.put_object(Bucket=BUCKET, Key=STAGING.key(FIRST), Body=CONTENTS[FIRST])
    assert differences(s3) == [other_hash(FIRST, None)]


@pytest.mark.parametrize("path", ["model-00003-of-00003.safetensors", "original/config.json"])
def test_an_unexpected_object_is_named(s3: S3Client, path: str) -> None:
    put(s3, path, b"")
    assert differences(s3) == [f"{path} is in the bucket but not in the manifest"]


def test_what_lies_under_another_commit_does_not_matter(s3: S3Client) -> None:
    s3.put_object(Bucket=BUCKET, Key=f"models/acme/tiny-llama/{'f' * 40}/config.json", Body=b"")
    assert checked(s3)["files"] == 3


def test_all_differences_are_named_at_once(s3: S3Client) -> None:
    put(s3, "stray.txt", b"")
    s3.delete_object(Bucket=BUCKET, Key=STAGING.key("config.json"))
    put(s3, FIRST, b"cut")
    put(s3, SECOND, b"THE SECOND")
    assert differences(s3) == [
        "stray.txt is in the bucket but not in the manifest",
        "config.json is missing",
        f"{FIRST} has 3 bytes instead of 15",
        other_hash(SECOND, sha256(b"THE SECOND")),
    ]


def test_where_the_hub_announces_no_hash_the_one_of_the_transfer_counts(s3: S3Client) -> None:
    manifest = without_announced_hash(FIRST)
    assert checked(s3, manifest)["files"] == 3
    put(s3, FIRST, b"THE FIRST SHARD")
    assert differences(s3, manifest) == [other_hash(FIRST, sha256(b"THE FIRST SHARD"))]


def test_a_file_that_nobody_hashed_is_never_taken_for_verified(s3: S3Client) -> None:
    manifest = replace(without_announced_hash(FIRST), report_keys=())
    s3.put_object(Bucket=BUCKET, Key=STAGING.key(FIRST), Body=CONTENTS[FIRST])
    assert differences(s3, manifest) == [f"{FIRST} has the recorded SHA-256 None instead of None"]


def test_a_staging_of_more_than_one_page_is_compared_as_a_whole(
    s3: S3Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
        assert checked(s3)["files"] == 3
        put(s3, "z.txt", b"")
        assert differences(s3) == ["z.txt is in the bucket but not in the manifest"]
