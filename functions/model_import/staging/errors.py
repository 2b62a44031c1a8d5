"""What S3 refuses, under the names that the state machine knows."""

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
        "400",  # to HEAD, which has no body to name it; credentials that expired are among them
        "BadDigest",  # damaged on the way: the checksum was computed from what was sent
        "ExpiredToken",  # the next request is signed with the credentials of that moment
        "IncompleteBody",
        "OperationAborted",
        "RequestTimeTooSkewed",
        "RequestTimeout",
        "SlowDown",
    }
)
_VANISHED_CODES: Final = frozenset({"NoSuchUpload", "InvalidPart", "InvalidPartOrder"})
"""The upload is not what it was: aborted, or completed by another task. The next try looks anew."""
_SKEW_SECONDS_AT_MOST: Final = 900
"""How far the time of a request may be from that of S3."""
# All three: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html (2026-11-24)

_NAMELESS_REFUSAL: Final = "403"
"""What boto3 calls a refused HEAD, whose answer has no body to name the reason."""


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
    """Raise what boto3 raises of a bucket as errors of ours.

    Raises:
        StagingRefusedError: S3 refuses, and will do so again.
        StagingUnavailableError: it cannot now, or did not answer.
        CertificateUntrustedError: whoever answers is not known to be S3.
    """
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        reason = error.response.get("Error", {}).get("Message", "no reason given")
        clock = _told_clock(error) if code == _NAMELESS_REFUSAL else ""
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
    """Return how far this machine's clock is behind that of S3, if the answer had a date."""
    date = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):  # none, no date, or one without its zone
        return None


def _is_skewed(seconds_behind: float | None) -> bool:
    return seconds_behind is not None and abs(seconds_behind) > _SKEW_SECONDS_AT_MOST


def _told_clock(error: ClientError) -> str:
    seconds_behind = _seconds_behind(error)
    if seconds_behind is None:
        return (
            f"; S3 names no reason to HEAD, and a clock that is more than "
            f"{_SKEW_SECONDS_AT_MOST} s wrong is refused like this, too"
        )
    if not _is_skewed(seconds_behind):
        return ""
    where = "behind" if seconds_behind > 0 else "ahead of"
    return (
        f"; RequestTimeTooSkewed, by the date of the answer: the clock of this task is "
        f"{abs(seconds_behind):.0f} s {where} that of S3, which takes {_SKEW_SECONDS_AT_MOST} s"
    )
