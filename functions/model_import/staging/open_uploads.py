"""Multipart uploads that are open: S3 remembers them and their parts, and so nobody else has to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import MultipartUploadTypeDef


def find_open_upload(client: S3Client, bucket: str, key: str) -> str | None:
    """Return the id of the open upload of a key that is to be gone on with.

    That is the oldest, so that all who look agree; others, which nobody will complete, are aborted.
    """
    uploads = sorted(
        _open_uploads(client, bucket, key),
        key=lambda upload: (upload["Initiated"], upload["UploadId"]),
    )
    fitting = [
        upload
        for upload in uploads
        if upload.get("ChecksumAlgorithm") == "CRC64NVME"
        and upload.get("ChecksumType") == "FULL_OBJECT"
    ]
    for upload in uploads:
        if upload not in fitting[:1]:
            client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload["UploadId"])
    return fitting[0]["UploadId"] if fitting else None


def open_upload(
    client: S3Client,
    bucket: str,
    key: str,
    metadata: Mapping[str, str],
    tagging: str = "",
) -> str:
    """Return the id of a new upload, whose object S3 will check by its CRC-64/NVME."""
    tags: dict[str, Any] = {"Tagging": tagging} if tagging else {}
    created = client.create_multipart_upload(
        Bucket=bucket,
        **tags,
        Key=key,
        Metadata=metadata,
        ContentType="application/octet-stream",
        ChecksumAlgorithm="CRC64NVME",
        ChecksumType="FULL_OBJECT",
    )
    if created["ResponseMetadata"]["RetryAttempts"] and (
        upload_id := find_open_upload(client, bucket, key)
    ):
        return upload_id  # the answer that was lost may have opened one, too
    return created["UploadId"]


def abort_open_uploads(client: S3Client, bucket: str, key: str) -> None:
    """Abort all that is open of a key."""
    for upload in _open_uploads(client, bucket, key):
        client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload["UploadId"])


def _open_uploads(client: S3Client, bucket: str, key: str) -> list[MultipartUploadTypeDef]:
    pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=key)
    return [
        upload
        for page in pages
        for upload in page.get("Uploads", [])
        if upload["Key"] == key  # and not another that begins like it
    ]
