"""Signed URLs, held against those that boto3 makes of the same request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import boto3
import botocore.session
import pytest
from botocore.compat import get_current_datetime
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import NoCredentialsError

from model_import.staging.presigned_puts import PRESIGNING
from model_import.staging.s3_signer import S3Signer

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from mypy_boto3_s3 import S3Client

HEADERS = {
    "x-amz-checksum-crc64nvme": "AAAAAAAAAAA=",
    "x-amz-expected-bucket-owner": "123456789012",
}
CREDENTIALS = {"aws_access_key_id": "AKIA1", "aws_secret_access_key": "secret"}


def client(**settings: Any) -> S3Client:  # noqa: ANN401 as boto3 takes them
    """Return a client that has no network and no settings but these."""
    given = {"region_name": "eu-central-1", "config": PRESIGNING, **CREDENTIALS, **settings}
    return boto3.session.Session().client("s3", **given)


def client_of(credentials: Credentials | None) -> S3Client:
    """Return a client with credentials that may change, or with none."""
    session = botocore.session.Session()
    with patch.object(session, "get_credentials", return_value=credentials):
        return cast("S3Client", session.create_client("s3", "eu-central-1", config=PRESIGNING))


def styled(**style: Any) -> Config:  # noqa: ANN401 as botocore takes them
    """Return how a client is to address S3."""
    return PRESIGNING.merge(Config(**style))


@pytest.fixture
def _at_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = get_current_datetime()
    for module in ("auth", "crt.auth"):
        monkeypatch.setattr(f"botocore.{module}.get_current_datetime", lambda **_: moment)
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)


def taken_apart(url: str) -> tuple[str, str, str, dict[str, list[str]]]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc, parts.path, parse_qs(parts.query)


@pytest.mark.usefixtures("_at_one_moment")
@pytest.mark.parametrize("key", ["models/a.safetensors", "models/a b+c~d=é/%41.safetensors"])
@pytest.mark.parametrize("bucket", ["staging", "staging.with.dots"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"region_name": "us-east-1"},
        {"aws_session_token": "a/session+token=="},
        {"endpoint_url": "http://127.0.0.1:9000"},
        {"config": styled(use_dualstack_endpoint=True)},
        {"config": styled(s3={"addressing_style": "path"})},
        {"region_name": "us-gov-west-1", "config": styled(use_fips_endpoint=True)},
    ],
    ids=lambda settings: ", ".join(settings) or "as it is",
)
def test_a_url_is_the_one_that_boto3_makes(settings: dict[str, Any], bucket: str, key: str) -> None:
    s3 = client(**settings)
    part = {"Bucket": bucket, "Key": key, "UploadId": "an id+/=", "PartNumber": 3}
    made = s3.generate_presigned_url(
        "upload_part",
        Params={
            **part,
            "ChecksumCRC64NVME": HEADERS["x-amz-checksum-crc64nvme"],
            "ExpectedBucketOwner": HEADERS["x-amz-expected-bucket-owner"],
        },
    )

    query = {"partNumber": "3", "uploadId": "an id+/="}
    url = S3Signer(s3, bucket).put_url(key, query, HEADERS)

    assert taken_apart(url) == taken_apart(made)


@pytest.mark.usefixtures("_at_one_moment")
def test_each_url_is_signed_with_the_credentials_of_its_moment() -> None:
    soon, later = (datetime.now(UTC) + timedelta(hours=hours) for hours in (1, 6))
    now = [datetime.now(UTC)]
    role = RefreshableCredentials(
        *("AKIA1", "old", "token-1"),
        expiry_time=soon,
        refresh_using=lambda: {
            "access_key": "AKIA2",
            "secret_key": "new",
            "token": "token-2",
            "expiry_time": later.isoformat(),
        },
        method="a role",
        time_fetcher=lambda: now[0],
    )
    signer = S3Signer(client_of(role), "staging")
    before = signer.put_url("a", {}, HEADERS)
    now[0] = soon

    after = signer.put_url("a", {}, HEADERS)

    assert taken_apart(before)[3]["X-Amz-Credential"][0].startswith("AKIA1/")
    assert taken_apart(before)[3]["X-Amz-Security-Token"] == ["token-1"]
    assert taken_apart(after)[3]["X-Amz-Credential"][0].startswith("AKIA2/")
    assert taken_apart(after)[3]["X-Amz-Security-Token"] == ["token-2"]


def test_without_credentials_it_fails_as_boto3_does() -> None:
    with pytest.raises(NoCredentialsError):
        S3Signer(client_of(None), "staging")
