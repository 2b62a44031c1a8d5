"""Objects that are complete but not verified yet, under a prefix that nothing else reads."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    HTTPClientError,
    IncompleteReadError,
)
from urllib3.exceptions import HTTPError

from model_import.staging.objects import read_head
from model_import.staging.split_uploads import unverified
from model_import.staging.store import StagedObjects
from model_import.transport.retries import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_s3 import S3Client

    from model_import.manifest import RepositoryFile, Slice
    from model_import.staging.presigned_puts import PresignedPuts
    from model_import.transport.retries import Retries

_CHUNK_BYTES = 256 * 1024


class UnverifiedObjects(StagedObjects):
    """Finds and writes the objects as `StagedObjects` does, and reads them back."""

    def __init__(
        self,
        client: S3Client,
        puts: PresignedPuts,
        slice_: Slice,
        retries: Retries,
    ) -> None:
        super().__init__(client, puts, unverified(slice_.staging))
        self._slice = slice_
        self._retries = retries

    def claim(self, file: RepositoryFile) -> bool:
        """Claim a file for this slice to verify; return False if another slice has claimed it.

        A task that starts over finds the claim of its own slice, and gets True.
        """
        key = f"{self._slice.claims_prefix}{file.sha256}"
        claim = self._slice.report_key.encode()
        try:
            self._client.put_object(Bucket=self.bucket, Key=key, Body=claim, IfNoneMatch="*")
        except ClientError as error:
            # S3 gives the second code when another claim is made at the same moment.
            if error.response["Error"]["Code"] not in {
                "PreconditionFailed",
                "ConditionalRequestConflict",
            }:
                raise
            return self._client.get_object(Bucket=self.bucket, Key=key)["Body"].read() == claim
        return True

    def find_whole(self, path: str) -> WholeObject | None:
        """Return the current object of a file, if there is one."""
        key = self._staging.key(path)
        head = read_head(self._client, self.bucket, key)
        if head is None:
            return None
        request = {"Bucket": self.bucket, "Key": key, "IfMatch": head["ETag"]}
        return WholeObject(self._client, request, head["ContentLength"], self._retries)

    def delete(self, path: str) -> None:
        """Delete the object of a file."""
        self._client.delete_object(Bucket=self.bucket, Key=self._staging.key(path))


class WholeObject:
    """One object, read in ranges by any number of threads; a read fails if it was replaced."""

    def __init__(
        self, client: S3Client, request: dict[str, Any], size_bytes: int, retries: Retries
    ) -> None:
        self.size_bytes = size_bytes
        self._client = client
        self._request = request
        self._retries = retries

    def read_into(self, start: int, buffer: memoryview, arrived: Callable[[int], None]) -> None:
        """Fill the whole buffer from `start`; call `arrived` with the size of each chunk.

        If the connection drops, the read resumes at the byte that it had reached.
        """
        reached = 0
        while reached < len(buffer):
            read_some = partial(self._read_some, start + reached, buffer[reached:], arrived)
            try:
                reached += self._retries.call(read_some)
            except TransientError as error:
                raise ConnectionClosedError(endpoint_url=self._client.meta.endpoint_url) from error

    def _read_some(self, start: int, buffer: memoryview, arrived: Callable[[int], None]) -> int:
        """Return how many bytes one request brought; a drop before the first byte is a failure."""
        range_header = f"bytes={start}-{start + len(buffer) - 1}"
        body = self._client.get_object(**self._request, Range=range_header)["Body"]
        reached = 0
        try:
            # The stubs require a file, but `readinto` accepts a buffer.
            while count := body.readinto(
                buffer[reached : reached + _CHUNK_BYTES]  # type: ignore[arg-type]
            ):
                reached += count
                arrived(count)
        except (HTTPClientError, HTTPError, IncompleteReadError, OSError) as error:
            if reached == 0:
                raise TransientError(type(error).__name__) from error
        finally:
            body.close()
        if reached == 0:
            raise TransientError("the body was empty")
        return reached
