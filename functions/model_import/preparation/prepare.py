"""Stages the small files of a model, and writes its manifest and the slices of its weights."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from model_import.aws.records import write_record
from model_import.checksums.file_hash import git_blob_id, sha256_hex
from model_import.errors import ChecksumMismatchError
from model_import.manifest import Manifest, Slice, StagedFile, Staging
from model_import.model_files.json_files import parse_json
from model_import.model_files.selection import select_files
from model_import.normalisation import Normalised, normalise
from model_import.preflight.small_files import JSON_BYTES_AT_MOST, FileReaders
from model_import.preparation.fargate_sizes import task_size
from model_import.preparation.slicing import cut_slices
from model_import.request.naming import source_path
from model_import.staging.part_sizes import longest_part_bytes
from model_import.staging.split_uploads import ensure_upload

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from model_import.manifest import RepositoryFile
    from model_import.preparation.fargate_sizes import TaskSize
    from model_import.preparation.slicing import FanOut
    from model_import.sources.hub.snapshot import Snapshot

_CONCURRENT_FILES: Final = 8


@dataclass(frozen=True, slots=True)
class SliceTask:
    """A slice in S3, and the size of the task that moves it."""

    uri: str
    size: TaskSize


@dataclass(frozen=True, slots=True)
class Prepared:
    """The input of the transfer."""

    manifest: Manifest
    manifest_uri: str
    tasks: tuple[SliceTask, ...]


def prepare(  # noqa: PLR0913 – each is a separate setting
    snapshot: Snapshot,
    readers: FileReaders,
    s3: S3Client,
    *,
    bucket: str,
    tagging: str,
    execution_name: str,
    model_name: str,
    normalising: bool,
    fan_out: FanOut,
) -> Prepared:
    """Write the manifest and the slices to S3; return the manifest and the tasks.

    Raises:
        ChecksumMismatchError: A small file differs from what the Hub announces.
        HubUnavailableError: The Hub did not answer, or answered with a temporary failure.
    """
    source = snapshot.source
    # Each commit, normalised or not, has its own prefix, so that copies cannot mix.
    path = source_path(source.repo_id, source.commit, normalise=normalising)
    staging = Staging(bucket, f"models/{path}/", tagging)
    records = f"imports/{execution_name}"
    small_files = _SmallFiles(snapshot, readers)
    files, _ = select_files(snapshot, lambda path: parse_json(small_files.read(path)))
    paths = [file.path for file in files.metadata]
    with ThreadPoolExecutor(_CONCURRENT_FILES) as pool:
        read = dict(zip(paths, pool.map(small_files.read, paths), strict=True))
        copy = normalise(read) if normalising else Normalised(read, ())
        metadata = tuple(
            pool.map(lambda path: _stage(path, copy.files[path], s3, staging, snapshot), copy.files)
        )
    weights = tuple(
        StagedFile(file.path, file.size_bytes, file.sha256, "weights") for file in files.weights
    )
    _remove_strays(s3, staging, {file.path for file in (*metadata, *weights)})
    slices = [
        Slice(
            source,
            staging,
            tuple(share.files),
            report_key=f"{records}/transfers/{number}.json",
            progress_key=f"{records}/progress/{number}.json",
            part_bytes_at_least=fan_out.part_bytes_at_least,
            part_runs=tuple(share.part_runs),
            claims_prefix=f"{records}/claims/",
        )
        for number, share in enumerate(cut_slices(files.weights, fan_out))
    ]
    for file in {run.file for slice_ in slices for run in slice_.part_runs}:
        ensure_upload(s3, staging, source, file)
    tasks = tuple(
        SliceTask(
            write_record(s3, bucket, f"{records}/slices/{number}.json", slice_.to_dict()),
            task_size(
                slice_.size_bytes,
                longest_part_bytes(slice_),
                cpu_units_at_most=fan_out.task_cpu_units_at_most,
            ),
        )
        for number, slice_ in enumerate(slices)
    )
    manifest = Manifest(
        execution_name=execution_name,
        source=source,
        revision=snapshot.revision,
        model_name=model_name,
        staging=staging,
        files=metadata + weights,
        report_keys=tuple(slice_.report_key for slice_ in slices),
        normalisations=tuple(asdict(change) for change in copy.changes),
    )
    uri = write_record(s3, bucket, f"{records}/manifest.json", manifest.to_dict())
    return Prepared(manifest, uri, tasks)


class _SmallFiles:
    """Reads and verifies each file once, including the index that names the shards."""

    def __init__(self, snapshot: Snapshot, readers: FileReaders) -> None:
        self._files = {file.path: file for file in snapshot.files}
        self._readers = readers
        self._read: dict[str, bytes] = {}

    def read(self, path: str) -> bytes:
        if path not in self._read:
            content = self._readers.open(path).read_all(JSON_BYTES_AT_MOST)
            _verify(self._files[path], content)
            self._read[path] = content
        return self._read[path]


def _stage(
    path: str, content: bytes, s3: S3Client, staging: Staging, snapshot: Snapshot
) -> StagedFile:
    sha256 = sha256_hex(content)
    s3.put_object(
        Bucket=staging.bucket,
        Key=staging.key(path),
        Body=content,
        Tagging=staging.tagging,
        Metadata={
            "sha256": sha256,
            "source-repository": snapshot.source.repo_id,
            "source-commit": snapshot.source.commit,
        },
    )
    return StagedFile(path, len(content), sha256, "metadata")


def _verify(file: RepositoryFile, content: bytes) -> None:
    if file.sha256 is not None:
        kind, expected, found = "SHA-256", file.sha256, sha256_hex(content)
    else:
        kind, expected, found = "git blob", file.blob_id, git_blob_id(memoryview(content))
    if found != expected:
        raise ChecksumMismatchError(
            file.path, expected=f"{kind} {expected}", found=f"{kind} {found}"
        )


def _remove_strays(s3: S3Client, staging: Staging, expected: set[str]) -> None:
    """Delete objects that an earlier release of this stack, or anyone else, left at the prefix."""
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=staging.bucket, Prefix=staging.prefix
    )
    for page in pages:
        for entry in page.get("Contents", []):
            if entry["Key"].removeprefix(staging.prefix) not in expected:
                s3.delete_object(Bucket=staging.bucket, Key=entry["Key"])
