"""What boto3 raises of the staging bucket, under names of ours."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from support.servers.certificates import self_signed
from support.servers.scripted_server import Answer, scripted_server
from support.worlds.loopback_transfer import s3_client

from model_import.errors import (
    CertificateUntrustedError,
    StagingRefusedError,
    StagingUnavailableError,
)
from model_import.staging.errors import translate_staging_errors

if TYPE_CHECKING:
    from pathlib import Path


def refusal(status: int, code: str) -> ClientError:
    response = {"Error": {"Code": code, "Message": "No."}}
    return ClientError(
        {**response, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "UploadPart",
    )


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (refusal(403, "AccessDenied"), StagingRefusedError),
        (refusal(404, "NoSuchBucket"), StagingRefusedError),
        (refusal(403, "InvalidAccessKeyId"), StagingRefusedError),
        (refusal(403, "403"), StagingRefusedError),
        (refusal(400, "KMS.DisabledException"), StagingRefusedError),
        (refusal(400, "ExpiredToken"), StagingUnavailableError),
        (refusal(400, "400"), StagingUnavailableError),
        (refusal(403, "RequestTimeTooSkewed"), StagingUnavailableError),
        (refusal(503, "SlowDown"), StagingUnavailableError),
        (refusal(500, "InternalError"), StagingUnavailableError),
        (refusal(404, "NoSuchUpload"), StagingUnavailableError),
        (EndpointConnectionError(endpoint_url="https://s3"), StagingUnavailableError),
        (NoCredentialsError(), StagingUnavailableError),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, Exception) else "",
)
def test_what_lasts_is_refused_and_what_passes_is_unavailable(
    error: Exception, name: type[Exception]
) -> None:
    with pytest.raises(name, match="staging") as raised, translate_staging_errors("staging"):
        raise error

    assert raised.value.__cause__ is error


def test_whoever_cannot_prove_to_be_s3_is_told_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    tls, _ = self_signed(tmp_path)
    with (
        scripted_server(Answer(200), tls=tls) as s3,
        closing(s3_client(s3.url, attempts=1)) as client,
        pytest.raises(CertificateUntrustedError, match=r"of 127\.0\.0\.1 is not .* self-signed"),
        translate_staging_errors("staging"),
    ):
        client.head_object(Bucket="staging", Key="a")


def answered_to_head(*, date: str | None) -> Exception:
    """Return what comes of a HEAD that S3 refuses, without a body, as it does."""
    headers = {} if date is None else {"Date": date}
    with (
        scripted_server(Answer(403, headers)) as s3,
        closing(s3_client(s3.url, attempts=1)) as client,
    ):
        try:
            with translate_staging_errors("staging"):
                client.head_object(Bucket="staging", Key="a")
        except (StagingRefusedError, StagingUnavailableError) as error:
            return error
    pytest.fail("It was not refused")


@pytest.mark.parametrize(
    ("minutes", "difference"),
    [(20, "s behind the clock of S3"), (-20, "s ahead of the clock of S3")],
)
def test_a_head_that_is_refused_for_the_clock_is_told_by_the_date_of_the_answer(
    minutes: int, difference: str
) -> None:
    there = datetime.now(UTC) + timedelta(minutes=minutes)

    error = answered_to_head(date=format_datetime(there, usegmt=True))

    assert isinstance(error, StagingUnavailableError)
    assert "RequestTimeTooSkewed" in str(error)
    assert difference in str(error)


def test_a_head_that_is_refused_while_the_clock_is_right_says_nothing_of_it() -> None:
    error = answered_to_head(date=format_datetime(datetime.now(UTC), usegmt=True))

    assert isinstance(error, StagingRefusedError)
    assert "403 at HeadObject (Forbidden)" in str(error)


@pytest.mark.parametrize("date", [None, "yesterday"])
def test_a_head_that_is_refused_without_a_date_says_that_it_may_be_the_clock(
    date: str | None,
) -> None:
    error = answered_to_head(date=date)

    assert isinstance(error, StagingRefusedError)
    assert "a clock that is wrong by more than 900 s" in str(error)
