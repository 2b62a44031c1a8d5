"""Compares the objects in S3 with the manifest, file by file."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from model_import.aws.records import read_record
from model_import.errors import StagingMismatchError
from model_import.manifest import Manifest, TransferReport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

    from model_import.manifest import StagedFile, Staging

_CONCURRENT_REQUESTS: Final = 16


def verify(s3: S3Client, manifest_uri: str) -> dict[str, Any]:
    """Return the figures of the transfer if names, sizes and hashes match the manifest.

    Raises:
        StagingMismatchError: They do not match; the error names the differences.
    """
    manifest = Manifest.from_dict(read_record(s3, manifest_uri))
    staging = manifest.staging
    found = {key: _read_report(s3, f"s3://{staging.bucket}/{key}") for key in manifest.report_keys}
    reports = [report for report in found.values() if report]
    differences = [
        *(f"there is no task report at {key}" for key, report in found.items() if not report),
        *_differences(s3, manifest, reports),
    ]
    if differences:
        raise StagingMismatchError(staging.s3_uri, differences)
    return {
        "files": len(manifest.files),
        "bytes": sum(file.size_bytes for file in manifest.files),
        "bytes_moved": sum(report.bytes_moved for report in reports),
        "seconds": round(max((report.seconds for report in reports), default=0.0), 3),
    }


def _read_report(s3: S3Client, uri: str) -> TransferReport | None:
    try:
        return TransferReport.from_dict(read_record(s3, uri))
    except s3.exceptions.NoSuchKey:
        return None


def _differences(s3: S3Client, manifest: Manifest, reports: list[TransferReport]) -> Iterator[str]:
    sizes = _list_sizes(s3, manifest.staging)
    expected = {file.path: file for file in manifest.files}
    for path in sorted(sizes.keys() - expected.keys()):
        yield f"{path} is in the bucket but not in the manifest"
    for path, file in expected.items():
        if path not in sizes:
            yield f"{path} is missing"
        elif sizes[path] != file.size_bytes:
            yield f"{path} has {sizes[path]} bytes instead of {file.size_bytes}"
    present = [file for file in manifest.files if sizes.get(file.path) == file.size_bytes]
    recorded = {file.path: file.sha256 for report in reports for file in report.files}
    with ThreadPoolExecutor(_CONCURRENT_REQUESTS) as pool:
        hashes = pool.map(lambda file: _staged_sha256(s3, manifest.staging, file), present)
        for file, found in zip(present, hashes, strict=True):
            wanted = file.sha256 or recorded.get(file.path)
            if found is None or found != wanted:
                yield f"{file.path} has the recorded SHA-256 {found} instead of {wanted}"


def _list_sizes(s3: S3Client, staging: Staging) -> dict[str, int]:
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=staging.bucket, Prefix=staging.prefix
    )
    return {
        entry["Key"].removeprefix(staging.prefix): entry["Size"]
        for page in pages
        for entry in page.get("Contents", [])
    }


def _staged_sha256(s3: S3Client, staging: Staging, file: StagedFile) -> str | None:
    head = s3.head_object(Bucket=staging.bucket, Key=staging.key(file.path))
    return head["Metadata"].get("sha256")
