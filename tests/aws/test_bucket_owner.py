"""Buckets of another account are refused, whichever call names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from support.servers.scripted_server import Answer, scripted_server

from model_import.aws.bucket_owner import expecting_owner

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_s3 import S3Client

OWNER = "123456789012"
EMPTY = Answer(body=b"<ListBucketResult/>")


@pytest.mark.parametrize(
    "call",
    [
        lambda s3: s3.get_object(Bucket="b", Key="k"),
        lambda s3: s3.put_object(Bucket="b", Key="k", Body=b""),
        lambda s3: s3.head_object(Bucket="b", Key="k"),
        lambda s3: list(s3.get_paginator("list_objects_v2").paginate(Bucket="b")),
    ],
)
def test_every_call_names_the_owner_that_it_expects(call: Callable[[S3Client], Any]) -> None:
    with scripted_server(EMPTY) as server:
        s3 = expecting_owner(boto3.client("s3", endpoint_url=server.url), OWNER)
        call(s3)
        s3.close()

    assert {request.headers["x-amz-expected-bucket-owner"] for request in server.requests} == {
        OWNER
    }


def test_a_copy_names_the_owner_of_its_source_too() -> None:
    with scripted_server(Answer(body=b"<CopyPartResult/>")) as server:
        s3 = expecting_owner(boto3.client("s3", endpoint_url=server.url), OWNER)
        s3.upload_part_copy(Bucket="b", Key="k", UploadId="u", PartNumber=1, CopySource="b/other")
        s3.close()

    [request] = server.requests
    assert request.headers["x-amz-source-expected-bucket-owner"] == OWNER


def test_a_call_without_a_bucket_is_left_as_it_is() -> None:
    with scripted_server(Answer(body=b"<ListAllMyBucketsResult/>")) as server:
        s3 = expecting_owner(boto3.client("s3", endpoint_url=server.url), OWNER)
        s3.list_buckets()
        s3.close()

    assert "x-amz-expected-bucket-owner" not in server.requests[0].headers
