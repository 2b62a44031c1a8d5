"""Sends bodies to S3 by presigned requests, over its own connections.

Boto3's `upload_part` copies and wraps the body, which costs half as much CPU again as moving it.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NoReturn, cast

from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, SSLError
from botocore.parsers import create_parser
from urllib3.exceptions import HTTPError, ReadTimeoutError

from model_import.checksums.crc64 import crc64_base64
from model_import.staging.errors import passes_by_itself
from model_import.staging.s3_signer import S3Signer
from model_import.transport.pools import HttpPools, untrusted_certificate
from model_import.transport.retries import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from botocore.model import Shape
    from mypy_boto3_s3 import S3Client

    from model_import.transport.retries import Retries

PRESIGNING: Final = Config(
    # By default botocore presigns with version 2, which cannot sign the checksum header.
    signature_version="s3v4",
    retries={"mode": "standard", "max_attempts": 8},
    # All threads may use the client at once; botocore warns about connections beyond its pool.
    max_pool_connections=256,
)
"""The configuration that the S3 client must have."""

_TIMEOUT_SECONDS: Final = 60
"""To connect, to send a step, and to wait for the answer: the default of botocore."""

_STEP_BYTES: Final = 4 * 1024 * 1024
"""How much is sent, and reported, at a time; over plain HTTP the timeout covers one step."""


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a body goes; `method` is the method of boto3 that would send it."""

    method: str
    key: str
    query: Mapping[str, str]


class PresignedPuts:
    """Sends bodies to a bucket with their CRC-64/NVME, which S3 checks.

    Setting `retries.stopped` ends all requests. `ca_bundle` is a file of the certificate
    authorities to trust. `on_failure` is called with every failure that is retried, `on_sent` with
    the number of bytes after each step.
    """

    def __init__(  # noqa: PLR0913 – each is a separate setting
        self,
        client: S3Client,
        bucket: str,
        *,
        connections: int,
        retries: Retries,
        ca_bundle: str | None = None,
        on_failure: Callable[[TransientError], None] = lambda _: None,
        on_sent: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._signer = S3Signer(client, bucket)
        self._retries = retries
        self._on_failure = on_failure
        self._on_sent = on_sent
        self._pools = HttpPools(
            connections=connections,
            connect_timeout_seconds=_TIMEOUT_SECONDS,
            read_timeout_seconds=_TIMEOUT_SECONDS,
            ca_bundle=ca_bundle,
        )

    def put_object(
        self,
        key: str,
        content: memoryview,
        crc: int,
        metadata: Mapping[str, str],
        *,
        tagging: str = "",
    ) -> None:
        """Write a whole object; raises as `put_part` does."""
        headers = {f"x-amz-meta-{name}": value for name, value in metadata.items()}
        if tagging:
            headers["x-amz-tagging"] = tagging
        self._put(_Target("put_object", key, {}), headers, content, crc)

    def put_part(self, key: str, upload_id: str, number: int, content: memoryview, crc: int) -> str:
        """Write a part of an open upload; return its ETag.

        Raises:
            ClientError: S3 refused; the error is the one that boto3 would raise.
            SSLError: the certificate of the server is not trusted.
            ConnectionClosedError: no attempt got an answer.
        """
        query = {"partNumber": str(number), "uploadId": upload_id}
        return self._put(_Target("upload_part", key, query), {}, content, crc)

    def close(self) -> None:
        """Drop all connections; a request in flight raises PoolsClosedError."""
        self._pools.close()

    def _put(
        self, target: _Target, headers: Mapping[str, str], content: memoryview, crc: int
    ) -> str:
        """Sign all headers, send the body, and return the ETag."""
        signed = {
            **headers,
            **self._signer.owner_headers,
            "x-amz-checksum-crc64nvme": crc64_base64(crc),
        }

        def put_once() -> str:
            url = self._signer.put_url(target.key, target.query, signed)
            return self._put_once(target.method, url, signed, content)

        try:
            return self._retries.call(put_once, self._on_failure)
        except TransientError as error:
            if isinstance(error.__cause__, ClientError):
                raise error.__cause__ from None
            raise ConnectionClosedError(endpoint_url=self._client.meta.endpoint_url) from error

    def _put_once(
        self, method: str, url: str, headers: Mapping[str, str], content: memoryview
    ) -> str:
        headers = {**headers, "Content-Length": str(len(content))}
        try:
            response = self._pools.request("PUT", url, headers=headers, body=self._steps(content))
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

    def _steps(self, content: memoryview) -> Iterator[memoryview]:
        for start in range(0, len(content), _STEP_BYTES):
            step = content[start : start + _STEP_BYTES]
            yield step
            self._on_sent(len(step))

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
