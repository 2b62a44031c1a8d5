"""Bodies on their way to S3, by presigned requests on connections of our own.

Boto3's `upload_part` copies and wraps the body, which costs half as much CPU again as moving it.
Boto3 still signs each request, so that credentials, endpoint and addressing are its own.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NoReturn, cast

from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, SSLError
from botocore.parsers import create_parser
from urllib3.exceptions import HTTPError, ReadTimeoutError

from model_import.crc64 import crc64_base64
from model_import.http_pools import HttpPools, untrusted_certificate
from model_import.retries import TransientError
from model_import.staging_errors import passes_by_itself

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from botocore.model import Shape
    from mypy_boto3_s3 import S3Client

    from model_import.retries import Retries

PRESIGNING: Final = Config(
    # Unless it is named, botocore presigns with version 2, which cannot sign the checksum header.
    signature_version="s3v4",
    retries={"mode": "standard", "max_attempts": 8},
    # All threads may look up, complete or read back at once; botocore warns of more than it keeps.
    max_pool_connections=256,
)
"""What the S3 client must be made with."""

_TIMEOUT_SECONDS: Final = 60
"""To connect and send, and then to wait for the answer: botocore's own default."""


class PresignedPuts:
    """Sends bodies with their CRC-64/NVME, which S3 checks; a set `retries.stopped` ends all.

    `bucket_owner` is the account that the bucket must belong to; `on_failure` is told of every
    failure that is tried again.
    """

    def __init__(
        self,
        client: S3Client,
        *,
        connections: int,
        retries: Retries,
        bucket_owner: str | None = None,
        on_failure: Callable[[TransientError], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._retries = retries
        self._bucket_owner = bucket_owner
        self._on_failure = on_failure
        self._pools = HttpPools(
            connections=connections,
            connect_timeout_seconds=_TIMEOUT_SECONDS,
            read_timeout_seconds=_TIMEOUT_SECONDS,
            ca_bundle_variables=("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"),
        )

    def put_object(  # noqa: PLR0913 – each is one thing of its own
        self,
        bucket: str,
        key: str,
        content: memoryview,
        crc: int,
        metadata: Mapping[str, str],
        *,
        tagging: str = "",
    ) -> None:
        """Write a whole object; raises as `put_part` does."""
        params: dict[str, object] = {"Bucket": bucket, "Key": key, "Metadata": metadata}
        headers = {f"x-amz-meta-{name}": value for name, value in metadata.items()}
        if tagging:
            params["Tagging"] = headers["x-amz-tagging"] = tagging
        self._put("put_object", params, headers, content, crc)

    def put_part(self, params: Mapping[str, object], content: memoryview, crc: int) -> str:
        """Write a part, named by the parameters of boto3's `upload_part`; return its ETag.

        Raises:
            ClientError: S3 refused, as boto3 would tell it.
            SSLError: whoever answers is not known to be S3.
            ConnectionClosedError: the attempts ended without an answer.
        """
        return self._put("upload_part", params, {}, content, crc)

    def close(self) -> None:
        """Drop all connections; a request that is under way ends in PoolsClosedError."""
        self._pools.close()

    def _put(
        self,
        method: str,
        params: Mapping[str, object],
        headers: Mapping[str, str],
        content: memoryview,
        crc: int,
    ) -> str:
        """Return the ETag; `headers` are what `params` mean on the wire, and are signed."""
        checksum = crc64_base64(crc)
        params = {**params, "ChecksumCRC64NVME": checksum}
        headers = {**headers, "x-amz-checksum-crc64nvme": checksum}
        if self._bucket_owner is not None:
            params["ExpectedBucketOwner"] = self._bucket_owner
            headers["x-amz-expected-bucket-owner"] = self._bucket_owner

        def put_once() -> str:
            url = self._client.generate_presigned_url(method, Params=params)
            return self._put_once(method, url, headers, content)

        try:
            return self._retries.call(put_once, self._on_failure)
        except TransientError as error:
            if isinstance(error.__cause__, ClientError):
                raise error.__cause__ from None
            raise ConnectionClosedError(endpoint_url=self._client.meta.endpoint_url) from error

    def _put_once(
        self, method: str, url: str, headers: Mapping[str, str], content: memoryview
    ) -> str:
        try:
            response = self._pools.request("PUT", url, headers=headers, body=content)
            answer = response.read()
        except HTTPError as error:
            if untrusted_certificate(error) is not None:
                endpoint_url = self._client.meta.endpoint_url
                raise SSLError(endpoint_url=endpoint_url, error=error) from error
            is_stall = isinstance(error, ReadTimeoutError)
            raise TransientError(type(error).__name__, is_stall=is_stall) from error
        if response.status != HTTPStatus.OK:
            self._refuse(method, response.status, response.headers, answer)
        return response.headers["ETag"]

    def _refuse(
        self, method: str, status: int, headers: Mapping[str, str], answer: bytes
    ) -> NoReturn:
        operation = self._client.meta.method_to_api_mapping[method]
        shape = self._client.meta.service_model.operation_model(operation).output_shape
        response = {"status_code": status, "headers": headers, "body": answer}
        parsed = create_parser("rest-xml").parse(response, cast("Shape", shape))
        error = ClientError(parsed, operation)
        if passes_by_itself(error):
            is_throttling = status == HTTPStatus.SERVICE_UNAVAILABLE
            raise TransientError(str(error), is_throttling=is_throttling) from error
        raise error
