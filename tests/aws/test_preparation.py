"""What Prepare Repository leaves in the bucket: small files, manifest and slices, no strays."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws
from support.fakes.fake_repository import (
    COMMIT,
    FIRST_SHARD,
    SECOND_SHARD,
    SOURCE,
    FakeFile,
    FakeReaders,
    Files,
    llama_files,
    snapshot_of,
)

from model_import.aws.records import read_record, split_s3_uri, write_record
from model_import.errors import ChecksumMismatchError
from model_import.manifest import Manifest, RepositoryFile, Slice, StagedFile, Staging
from model_import.model_files.names import INDEX
from model_import.preparation.prepare import Prepared, prepare
from model_import.preparation.slicing import FanOut
from model_import.staging.part_sizes import spare_buffers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

    from model_import.sources.hub.snapshot import Snapshot

BUCKET = "staging"
TAGGING = "team=nlp&model-import-stack=model-import"
PREFIX = f"models/acme/tiny-llama/{COMMIT}/"
SMALL_FILES = {"config.json", "tokenizer.json", "tokenizer_config.json", INDEX}
SHARDS = {FIRST_SHARD, SECOND_SHARD}


@pytest.fixture(scope="module")
def client() -> Iterator[S3Client]:
    """Return one client for all tests, since it takes long to make."""
    with mock_aws():
        yield boto3.client("s3", region_name="us-east-1")


@pytest.fixture
def s3(client: S3Client) -> Iterator[S3Client]:
    client.create_bucket(Bucket=BUCKET)
    yield client
    for key in keys(client):
        client.delete_object(Bucket=BUCKET, Key=key)
    client.delete_bucket(Bucket=BUCKET)


def prepared(  # noqa: PLR0913 each has its default
    s3: S3Client,
    files: Files,
    *,
    snapshot: Snapshot | None = None,
    readers: FakeReaders | None = None,
    normalising: bool = True,
    fan_out: FanOut | None = None,
) -> Prepared:
    return prepare(
        snapshot or snapshot_of(files),
        readers or FakeReaders(files),
        s3,
        bucket=BUCKET,
        tagging=TAGGING,
        execution_name="run-1",
        model_name="acme-tiny-llama-5c4a6b8f",
        normalising=normalising,
        fan_out=fan_out or FanOut(tasks_at_most=4),
    )


def keys(s3: S3Client, prefix: str = "") -> set[str]:
    listing = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return {entry["Key"] for entry in listing.get("Contents", [])}


def staged_paths(s3: S3Client) -> set[str]:
    return {key.removeprefix(PREFIX) for key in keys(s3, PREFIX)}


def with_lfs(snapshot: Snapshot, path: str, sha256: str) -> Snapshot:
    files = [replace(file, sha256=sha256) if file.path == path else file for file in snapshot.files]
    return replace(snapshot, files=tuple(files))


def test_the_small_files_are_staged_and_the_weights_are_not(s3: S3Client) -> None:
    prepared(s3, llama_files())
    assert staged_paths(s3) == SMALL_FILES


def test_a_staged_file_has_its_bytes_its_hash_and_its_source(s3: S3Client) -> None:
    files = llama_files()
    prepared(s3, files)
    for path in SMALL_FILES:
        content = files[path]
        assert isinstance(content, bytes)
        answer = s3.get_object(Bucket=BUCKET, Key=PREFIX + path)
        assert answer["Body"].read() == content
        assert answer["Metadata"] == {
            "sha256": hashlib.sha256(content).hexdigest(),
            "source-repository": SOURCE.repo_id,
            "source-commit": COMMIT,
        }


def test_no_byte_of_the_weights_is_read(s3: S3Client) -> None:
    files = llama_files()
    readers = FakeReaders(files)
    prepared(s3, files, readers=readers)
    assert {path for path, _, _ in readers.reads} == SMALL_FILES


def test_what_is_not_the_model_is_left_at_the_hub(s3: S3Client) -> None:
    others: Files = {
        "README.md": b"",
        "modeling_llama.py": b"",
        "pytorch_model.bin": b"",
        "consolidated.safetensors": FakeFile(b"", 10),
        "original/tokenizer.model": b"",
        "model.gguf": b"",
    }
    manifest = prepared(s3, llama_files() | others).manifest
    assert staged_paths(s3) == SMALL_FILES
    assert {file.path for file in manifest.files} == SMALL_FILES | SHARDS


def test_the_manifest_names_every_file_with_its_size_and_hash(s3: S3Client) -> None:
    files = llama_files()
    done = prepared(s3, files)
    manifest, uri = done.manifest, done.manifest_uri
    assert uri == f"s3://{BUCKET}/imports/run-1/manifest.json"
    assert Manifest.from_dict(read_record(s3, uri)) == manifest
    assert manifest.source == SOURCE
    assert manifest.revision == "main"
    assert manifest.model_name == "acme-tiny-llama-5c4a6b8f"
    assert manifest.staging == Staging(BUCKET, PREFIX, TAGGING)
    assert manifest.report_keys == ("imports/run-1/transfers/0.json",)
    config = files["config.json"]
    assert isinstance(config, bytes)
    sha256 = hashlib.sha256(config).hexdigest()
    assert StagedFile("config.json", len(config), sha256, "metadata") in manifest.files
    shard = snapshot_of(files).file(FIRST_SHARD)
    assert shard is not None
    assert StagedFile(FIRST_SHARD, shard.size_bytes, shard.sha256, "weights") in manifest.files


def test_the_slices_cover_the_weights_and_each_has_its_report(s3: S3Client) -> None:
    files = llama_files()
    large: Files = {path: FakeFile(b"", FanOut(1).slice_bytes_at_least) for path in SHARDS}
    done = prepared(s3, files | large, fan_out=FanOut(tasks_at_most=2))
    uris = tuple(task.uri for task in done.tasks)
    assert uris == tuple(f"s3://{BUCKET}/imports/run-1/slices/{number}.json" for number in (0, 1))
    slices = [Slice.from_dict(read_record(s3, uri)) for uri in uris]
    assert {file.path for slice_ in slices for file in slice_.files} == SHARDS
    assert all(slice_.source == SOURCE for slice_ in slices)
    assert all(slice_.staging == done.manifest.staging for slice_ in slices)
    assert tuple(slice_.report_key for slice_ in slices) == done.manifest.report_keys
    assert [slice_.progress_key for slice_ in slices] == [
        "imports/run-1/progress/0.json",
        "imports/run-1/progress/1.json",
    ]
    assert [task.size.cpu_units for task in done.tasks] == [2048, 2048]


def test_a_slice_says_how_long_its_parts_are_and_its_task_has_memory_for_them(
    s3: S3Client,
) -> None:
    large = llama_files() | {FIRST_SHARD: FakeFile(b"", 1_000_000_000)}
    fan_out = FanOut(tasks_at_most=1, part_bytes_at_least=100_000_000)
    [task] = prepared(s3, large, fan_out=fan_out).tasks
    slice_ = Slice.from_dict(read_record(s3, task.uri))
    assert slice_.part_bytes_at_least == 100_000_000
    buffers = task.size.connections + spare_buffers(task.size.connections)
    assert buffers * 100_000_000 <= task.size.memory_mib * 1024 * 1024 / 2
    [task] = prepared(s3, large).tasks
    assert task.size.connections == 16


def test_strays_under_the_prefix_are_removed_and_what_is_planned_stays(s3: S3Client) -> None:
    strays = {"model-00003-of-00003.safetensors", "README.md", "old/config.json"}
    for path in strays | {FIRST_SHARD}:
        s3.put_object(Bucket=BUCKET, Key=PREFIX + path, Body=b"there before")
    neighbour = f"models/acme/tiny-llama/{'f' * 40}/config.json"
    s3.put_object(Bucket=BUCKET, Key=neighbour, Body=b"of another commit")
    prepared(s3, llama_files())
    assert staged_paths(s3) == SMALL_FILES | {FIRST_SHARD}
    assert neighbour in keys(s3)


def test_strays_beyond_one_page_of_a_listing_are_removed_too(
    s3: S3Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}stray-{number}", Body=b"")
    with monkeypatch.context() as patch:
        patch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
        prepared(s3, llama_files())
    assert staged_paths(s3) == SMALL_FILES


def test_preparing_twice_leaves_the_same(s3: S3Client) -> None:
    first = prepared(s3, llama_files())
    before = keys(s3)
    assert prepared(s3, llama_files()) == first
    assert keys(s3) == before


def test_every_small_file_is_read_once(s3: S3Client) -> None:
    files = llama_files()
    readers = FakeReaders(files)
    prepared(s3, files, readers=readers)
    assert sorted(path for path, _, _ in readers.reads) == sorted(SMALL_FILES)


@pytest.mark.parametrize("path", sorted(SMALL_FILES))
def test_a_small_file_with_another_git_id_is_refused_and_nothing_is_promised(
    s3: S3Client, path: str
) -> None:
    files = llama_files()
    changed: Files = files | {path: b'{"changed": true}'}
    with pytest.raises(ChecksumMismatchError, match=rf"'{path}' arrived as git blob .*git blob "):
        prepared(s3, files, readers=FakeReaders(changed))
    assert not any(key.endswith("manifest.json") for key in keys(s3))
    assert path not in staged_paths(s3)


def test_a_small_file_in_lfs_is_held_against_its_sha256(s3: S3Client) -> None:
    files = llama_files()
    content = files["tokenizer.json"]
    assert isinstance(content, bytes)
    right = with_lfs(snapshot_of(files), "tokenizer.json", hashlib.sha256(content).hexdigest())
    prepared(s3, files, snapshot=right)
    wrong = with_lfs(snapshot_of(files), "tokenizer.json", "0" * 64)
    with pytest.raises(ChecksumMismatchError, match=f"announces SHA-256 {'0' * 64}"):
        prepared(s3, files, snapshot=wrong)


@pytest.mark.parametrize(
    "record", [{}, {"名": "値", "nested": [1, {"a": None}]}, RepositoryFile("a", 1, "b").__doc__]
)
def test_a_record_is_read_as_it_was_written(s3: S3Client, record: Any) -> None:  # noqa: ANN401 any JSON value
    uri = write_record(s3, BUCKET, "imports/run 1#a?b/記録.json", record)
    assert uri == f"s3://{BUCKET}/imports/run 1#a?b/記録.json"
    assert read_record(s3, uri) == record
    answer = s3.get_object(Bucket=BUCKET, Key="imports/run 1#a?b/記録.json")
    assert answer["ContentType"] == "application/json"
    assert json.loads(answer["Body"].read().decode()) == record


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("s3://bucket/a/b.json", ("bucket", "a/b.json")),
        ("s3://bucket/a/", ("bucket", "a/")),
        ("s3://bucket/", ("bucket", "")),
        ("s3://bucket", ("bucket", "")),
    ],
)
def test_a_uri_is_split_into_bucket_and_key(uri: str, parts: tuple[str, str]) -> None:
    assert split_s3_uri(uri) == parts


def test_the_staged_copy_is_put_right_and_the_manifest_says_how(s3: S3Client) -> None:
    files = llama_files(rope_parameters={"rope_theta": 500000.0, "rope_type": "default"})
    files |= {"chat_template.jinja": b"{{ messages }}"}

    manifest = prepared(s3, files).manifest

    staged = {file.path for file in manifest.files}
    prefix = manifest.staging.prefix
    config = json.loads(s3.get_object(Bucket=BUCKET, Key=f"{prefix}config.json")["Body"].read())
    assert (config["rope_theta"], "rope_parameters" in config) == (500000.0, False)
    assert "chat_template.jinja" not in staged
    changed = {(change["file"], change["field"]) for change in manifest.normalisations}
    assert ("config.json", "rope_parameters") in changed
    assert all(change["why"] for change in manifest.normalisations)
    again = read_record(s3, f"s3://{BUCKET}/imports/run-1/manifest.json")
    assert Manifest.from_dict(again) == manifest


def test_nothing_is_changed_when_normalising_is_off(s3: S3Client) -> None:
    files = llama_files(rope_parameters={"rope_theta": 500000.0, "rope_type": "default"})

    manifest = prepared(s3, files, normalising=False).manifest

    key = f"{manifest.staging.prefix}config.json"
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == files["config.json"]
    assert manifest.normalisations == ()
