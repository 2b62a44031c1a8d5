"""Open multipart uploads: S3 lists them and their parts, so no other record is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import MultipartUploadTypeDef


def find_open_upload(client: S3Client, bucket: str, key: str) -> str | None:
    """Return the id of the open upload of a key to resume; abort its other uploads.

    That is the oldest upload, so that all tasks choose the same one.
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
    """Return the id of a new upload; S3 will check its object by CRC-64/NVME."""
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
        return upload_id  # the attempt whose answer was lost may have opened an upload, too
    return created["UploadId"]


def abort_open_uploads(client: S3Client, bucket: str, key: str) -> None:
    """Abort all open uploads of a key."""
    for upload in _open_uploads(client, bucket, key):
        client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload["UploadId"])


def _open_uploads(client: S3Client, bucket: str, key: str) -> list[MultipartUploadTypeDef]:
    pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=key)
    return [
        upload
        for page in pages
        for upload in page.get("Uploads", [])
        if upload["Key"] == key  # the prefix also matches longer keys
    ]
