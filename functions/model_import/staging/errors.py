"""Translates errors of S3 into the errors that the state machine knows."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError, SSLError

from model_import.errors import (
    CertificateUntrustedError,
    StagingRefusedError,
    StagingUnavailableError,
)
from model_import.transport.pools import untrusted_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator

_PASSING_CODES: Final = frozenset(
    {
        "400",  # answer to HEAD, which has no body to name the error: may be expired credentials
        "BadDigest",  # damaged in transit: the checksum was computed from the sent bytes
        "ExpiredToken",  # the next request is signed with the credentials of that moment
        "IncompleteBody",
        "OperationAborted",
        "RequestTimeTooSkewed",
        "RequestTimeout",
        "SlowDown",
    }
)
_VANISHED_CODES: Final = frozenset({"NoSuchUpload", "InvalidPart", "InvalidPartOrder"})
"""Another task has aborted or completed the upload. The next attempt looks for it again."""
_SKEW_SECONDS_AT_MOST: Final = 900
"""How far the time of a request may differ from the time of S3."""
# All three: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html (2026-11-24)

_NAMELESS_REFUSAL: Final = "403"
"""The code that boto3 gives a refused HEAD, whose answer has no body to name the reason."""


def passes_by_itself(error: ClientError) -> bool:
    """Return whether the same request may succeed a little later."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = error.response.get("Error", {}).get("Code")
    return (
        status >= HTTPStatus.INTERNAL_SERVER_ERROR
        or code in _PASSING_CODES
        or (code == _NAMELESS_REFUSAL and _is_skewed(_seconds_behind(error)))
    )


@contextmanager
def translate_staging_errors(bucket: str) -> Iterator[None]:
    """Translate the errors that boto3 raises for a bucket into errors of this project.

    Raises:
        StagingRefusedError: S3 refuses, and would refuse again.
        StagingUnavailableError: S3 has a temporary failure, or did not answer.
        CertificateUntrustedError: the certificate of the server is not trusted.
    """
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        reason = error.response.get("Error", {}).get("Message", "no reason given")
        clock = _describe_clock(error) if code == _NAMELESS_REFUSAL else ""
        if passes_by_itself(error) or code in _VANISHED_CODES:
            raise StagingUnavailableError(bucket, f"{error}{clock}") from error
        reason += clock
        raise StagingRefusedError(bucket, f"{code} at {error.operation_name}", reason) from error
    except SSLError as error:
        host = urlsplit(error.kwargs.get("endpoint_url", "")).hostname or ""
        why = untrusted_certificate(error)
        if why is None and "CERTIFICATE_VERIFY_FAILED" in str(error):
            why = str(error.kwargs.get("error", error))
        if why is None:
            raise StagingUnavailableError(bucket, str(error)) from error
        raise CertificateUntrustedError(host, why) from error
    except BotoCoreError as error:
        raise StagingUnavailableError(bucket, str(error)) from error


def _seconds_behind(error: ClientError) -> float | None:
    """Return how far this machine's clock is behind the clock of S3, if the answer has a date."""
    date = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):  # no date, not a date, or a date without a time zone
        return None


def _is_skewed(seconds_behind: float | None) -> bool:
    return seconds_behind is not None and abs(seconds_behind) > _SKEW_SECONDS_AT_MOST


def _describe_clock(error: ClientError) -> str:
    seconds_behind = _seconds_behind(error)
    if seconds_behind is None:
        return (
            "; S3 gives no reason for a refused HEAD, and one possible reason is a clock that is "
            f"wrong by more than {_SKEW_SECONDS_AT_MOST} s"
        )
    if not _is_skewed(seconds_behind):
        return ""
    where = "behind" if seconds_behind > 0 else "ahead of"
    return (
        "; RequestTimeTooSkewed according to the date of the answer: the clock of this task is "
        f"{abs(seconds_behind):.0f} s {where} the clock of S3, and S3 accepts at most "
        f"{_SKEW_SECONDS_AT_MOST} s"
    )
