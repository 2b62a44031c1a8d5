"""The objects that a transfer leaves under the staging prefix: found, put whole, put in parts."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from botocore.exceptions import ClientError

from model_import.crc64 import crc64_base64, joined_crc64

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_s3 import S3Client

    from model_import.manifest import RepositoryFile, Source, Staging
    from model_import.presigned_puts import PresignedPuts


def object_metadata(source: Source, file: RepositoryFile, sha256: str) -> dict[str, str]:
    """Return what is written beside a file: its hashes, and where it comes from."""
    return {
        "sha256": sha256,
        "blob-id": file.blob_id,
        "source-repository": source.repo_id,
        "source-commit": source.commit,
        "source-path": quote(file.path),  # S3 takes ASCII only
    }


@dataclass(frozen=True, slots=True)
class StagedObject:
    """An object as it lies in the bucket; `metadata` is what `object_metadata` returned."""

    size_bytes: int
    metadata: Mapping[str, str]

    def sha256_if(self, file: RepositoryFile) -> str | None:
        """Return the object's SHA-256 if its size and hash are those of the file."""
        sha256 = self.metadata.get("sha256")
        if file.sha256 is None:
            is_same = self.metadata.get("blob-id") == file.blob_id
        else:
            is_same = sha256 == file.sha256
        return sha256 if is_same and self.size_bytes == file.size_bytes else None


@dataclass(frozen=True, slots=True)
class UploadedPart:
    """A part that S3 has confirmed; numbers begin at 1."""

    number: int
    etag: str
    crc: int
    length: int


@dataclass(frozen=True, slots=True)
class _Upload:
    key: str
    metadata: Mapping[str, str]


class StagedObjects:
    """Finds and writes the objects, and keeps account of the uploads that are open."""

    def __init__(self, client: S3Client, puts: PresignedPuts, staging: Staging) -> None:
        self._client = client
        self._puts = puts
        self._staging = staging
        self._uploads: dict[str, _Upload] = {}
        self._uploads_lock = threading.Lock()

    def find(self, path: str) -> StagedObject | None:
        """Return the object at the key of a file, if there is one."""
        return self._find(self._staging.key(path))

    def put(self, path: str, content: memoryview, crc: int, metadata: Mapping[str, str]) -> None:
        """Write a whole object in one request."""
        key = self._staging.key(path)
        self._puts.put_object(self._staging.bucket, key, content, crc, metadata)

    def open_upload(self, path: str, metadata: Mapping[str, str]) -> str:
        """Return the id of a new upload, which `abort_open` aborts unless it was completed."""
        key = self._staging.key(path)
        upload_id = self._client.create_multipart_upload(
            Bucket=self._staging.bucket,
            Key=key,
            Metadata=metadata,
            ChecksumAlgorithm="CRC64NVME",
            ChecksumType="FULL_OBJECT",
        )["UploadId"]
        with self._uploads_lock:
            self._uploads[upload_id] = _Upload(key, metadata)
        return upload_id

    def put_part(self, upload_id: str, number: int, content: memoryview, crc: int) -> UploadedPart:
        """Write one part of an open upload; parts come from any thread, in any order."""
        params = {
            "Bucket": self._staging.bucket,
            "Key": self._uploads[upload_id].key,
            "UploadId": upload_id,
            "PartNumber": number,
        }
        etag = self._puts.put_part(params, content, crc)
        return UploadedPart(number, etag, crc, len(content))

    def complete_upload(self, upload_id: str, parts: Sequence[UploadedPart]) -> None:
        """Make the object of its parts, given in order; S3 checks its size and its checksum."""
        upload = self._uploads[upload_id]
        size_bytes = sum(part.length for part in parts)
        crc = joined_crc64((part.crc, part.length) for part in parts)
        try:
            self._client.complete_multipart_upload(
                Bucket=self._staging.bucket,
                Key=upload.key,
                UploadId=upload_id,
                ChecksumType="FULL_OBJECT",
                ChecksumCRC64NVME=crc64_base64(crc),
                MpuObjectSize=size_bytes,
                MultipartUpload={
                    "Parts": [
                        {
                            "PartNumber": part.number,
                            "ETag": part.etag,
                            "ChecksumCRC64NVME": crc64_base64(part.crc),
                        }
                        for part in parts
                    ]
                },
            )
        except ClientError as error:
            # When the answer to the first try is lost, the second finds no upload but the object.
            if error.response["Error"]["Code"] != "NoSuchUpload" or self._find(
                upload.key
            ) != StagedObject(size_bytes, upload.metadata):
                raise
        with self._uploads_lock:
            del self._uploads[upload_id]

    def abort_open(self) -> list[Exception]:
        """Abort every upload that is neither completed nor aborted; return what went wrong."""
        with self._uploads_lock:
            uploads = list(self._uploads.items())
            self._uploads.clear()
        failures: list[Exception] = []
        for upload_id, upload in uploads:
            try:
                self._client.abort_multipart_upload(
                    Bucket=self._staging.bucket, Key=upload.key, UploadId=upload_id
                )
            except Exception as error:  # noqa: BLE001 the others are to be aborted all the same
                failures.append(error)
        return failures

    def _find(self, key: str) -> StagedObject | None:
        try:
            head = self._client.head_object(Bucket=self._staging.bucket, Key=key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.NOT_FOUND:
                return None
            raise
        return StagedObject(head["ContentLength"], head["Metadata"])
