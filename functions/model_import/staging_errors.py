"""What S3 refuses, under the names that the state machine knows."""

from __future__ import annotations

from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError, SSLError

from model_import.errors import (
    CertificateUntrustedError,
    StagingRefusedError,
    StagingUnavailableError,
)
from model_import.http_pools import untrusted_certificate

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
# Both: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html


def passes_by_itself(error: ClientError) -> bool:
    """Return whether the same request may succeed a little later."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = error.response.get("Error", {}).get("Code")
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or code in _PASSING_CODES


@contextmanager
def staging_errors(bucket: str) -> Iterator[None]:
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
        if passes_by_itself(error) or code in _VANISHED_CODES:
            raise StagingUnavailableError(bucket, str(error)) from error
        reason = error.response.get("Error", {}).get("Message", "no reason given")
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
