"""JSON objects in S3: the manifest, slices and reports of an execution."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def write_record(s3: S3Client, bucket: str, key: str, record: dict[str, Any]) -> str:
    """Write a JSON object and return its URI."""
    body = json.dumps(record, ensure_ascii=False, indent=1).encode()
    s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
    return f"s3://{bucket}/{key}"


def read_record(s3: S3Client, uri: str) -> dict[str, Any]:
    """Return the JSON object at an `s3://bucket/key` URI."""
    bucket, key = split_s3_uri(uri)
    stored = s3.get_object(Bucket=bucket, Key=key)
    record: dict[str, Any] = json.loads(stored["Body"].read())
    return record


def split_s3_uri(uri: str) -> tuple[str, str]:
    """Return the bucket and the key, or prefix, of an `s3://` URI."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
