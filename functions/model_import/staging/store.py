"""Finds and writes the objects under the staging prefix, whole or in parts.

S3 keeps the record of uploads and their parts. Only this stack writes under the prefix, and always
the same bytes under the same key, so any open upload of a key can be resumed.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from model_import.checksums.crc64 import crc64, crc64_base64, crc64_from_base64, joined_crc64
from model_import.staging.hash_checkpoint import PREFIX as CHECKPOINTS, HashCheckpoint
from model_import.staging.objects import StagedObject, UploadedPart, find_object, read_head
from model_import.staging.open_uploads import abort_open_uploads, find_open_upload, open_upload

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mypy_boto3_s3 import S3Client

    from model_import.manifest import RepositoryFile, Staging
    from model_import.staging.presigned_puts import PresignedPuts

HASHES: Final = "hashes/"
"""The prefix before a SHA-256; the record says where a file with this hash was last completed."""

_ABSENT: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN)
"""The answers of S3 for an absent record; the second if the role may not list the bucket."""

_GONE_CODES: Final = frozenset({"NoSuchKey", "PreconditionFailed", "AccessDenied"})
"""The answers of S3 to a copy whose source is absent (as above) or has changed."""


@dataclass(frozen=True, slots=True)
class CopySource:
    """An object elsewhere in the bucket that has the bytes of a file."""

    key: str
    etag: str
    crc: int


@dataclass(frozen=True, slots=True)
class _Upload:
    key: str
    metadata: Mapping[str, str]


class StagedObjects:
    """Finds and writes the objects, and keeps track of the uploads that it opened or found."""

    def __init__(self, client: S3Client, puts: PresignedPuts, staging: Staging) -> None:
        self._client = client
        self._puts = puts
        self._staging = staging
        self.bucket: Final = staging.bucket
        self._uploads: dict[str, _Upload] = {}
        self._uploads_lock = threading.Lock()

    def find(self, path: str) -> StagedObject | None:
        """Return the object of a file, if there is one."""
        return find_object(self._client, self.bucket, self._staging.key(path))

    def put(self, path: str, content: memoryview, crc: int, metadata: Mapping[str, str]) -> None:
        """Write a whole object in one request."""
        key = self._staging.key(path)
        self._puts.put_object(key, content, crc, metadata, tagging=self._staging.tagging)

    def find_upload(self, path: str, metadata: Mapping[str, str]) -> str | None:
        """Return the id of the open upload of a file to resume, if there is one."""
        key = self._staging.key(path)
        upload_id = find_open_upload(self._client, self.bucket, key)
        if upload_id is not None:
            self._remember(upload_id, _Upload(key, metadata))
        return upload_id

    def stored_parts(self, upload_id: str) -> list[UploadedPart]:
        """Return the stored parts of an open upload that have a checksum."""
        pages = self._client.get_paginator("list_parts").paginate(
            Bucket=self.bucket, Key=self._uploads[upload_id].key, UploadId=upload_id
        )
        return [
            UploadedPart(
                part["PartNumber"],
                part["ETag"],
                crc64_from_base64(part["ChecksumCRC64NVME"]),
                part["Size"],
            )
            for page in pages
            for part in page.get("Parts", [])
            if "ChecksumCRC64NVME" in part
        ]

    def open_upload(self, path: str, metadata: Mapping[str, str]) -> str:
        """Return the id of a new upload, which stays open until it is completed or aborted."""
        key = self._staging.key(path)
        upload_id = open_upload(self._client, self.bucket, key, metadata, self._staging.tagging)
        self._remember(upload_id, _Upload(key, metadata))
        return upload_id

    def put_part(self, upload_id: str, number: int, content: memoryview, crc: int) -> UploadedPart:
        """Write one part of an open upload; parts come from any thread, in any order."""
        key = self._uploads[upload_id].key
        etag = self._puts.put_part(key, upload_id, number, content, crc)
        return UploadedPart(number, etag, crc, len(content))

    def copy_part(
        self, upload_id: str, number: int, source: CopySource, where: range
    ) -> UploadedPart | None:
        """Have S3 copy one part; return None if the source is gone or has changed."""
        try:
            copied = self._client.upload_part_copy(
                Bucket=self.bucket,
                Key=self._uploads[upload_id].key,
                UploadId=upload_id,
                PartNumber=number,
                CopySource={"Bucket": self.bucket, "Key": source.key},
                CopySourceIfMatch=source.etag,
                CopySourceRange=f"bytes={where.start}-{where.stop - 1}",
            )["CopyPartResult"]
        except ClientError as error:
            if error.response["Error"]["Code"] in _GONE_CODES:
                return None
            raise
        if "ChecksumCRC64NVME" not in copied:
            return None  # without a CRC the copy cannot be verified
        crc = crc64_from_base64(copied["ChecksumCRC64NVME"])
        return UploadedPart(number, copied["ETag"], crc, len(where))

    def complete_upload(self, upload_id: str, parts: Sequence[UploadedPart]) -> None:
        """Make an object from the parts, in order; S3 checks its size and its checksum."""
        upload = self._uploads[upload_id]
        size_bytes = sum(part.length for part in parts)
        crc = joined_crc64((part.crc, part.length) for part in parts)
        try:
            self._client.complete_multipart_upload(
                Bucket=self.bucket,
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
            # If the first answer is lost, the second attempt finds the object but no upload.
            if error.response["Error"]["Code"] != "NoSuchUpload":
                raise
            found = find_object(self._client, self.bucket, upload.key)
            if found != StagedObject(size_bytes, upload.metadata):
                raise
        with self._uploads_lock:
            del self._uploads[upload_id]

    def abort(self, upload_id: str) -> None:
        """Abort an open upload and drop its parts."""
        with self._uploads_lock:
            upload = self._uploads.pop(upload_id)
        self._client.abort_multipart_upload(Bucket=self.bucket, Key=upload.key, UploadId=upload_id)

    def abort_open(self, paths: Iterable[str] = ()) -> list[Exception]:
        """Abort every upload that is neither completed nor aborted; return the errors.

        Uploads of `paths` may come from an earlier attempt, and S3 is asked for them.
        """
        failures: list[Exception] = []
        for upload_id in list(self._uploads):
            try:
                self.abort(upload_id)
            except Exception as error:  # noqa: BLE001 the other uploads must still be aborted
                failures.append(error)
        for path in paths:
            try:
                abort_open_uploads(self._client, self.bucket, self._staging.key(path))
            except Exception as error:  # noqa: BLE001 as above
                failures.append(error)
        return failures

    def write_checkpoint(self, path: str, checkpoint: HashCheckpoint) -> None:
        """Save how far the hash of a file's upload is."""
        self._write_record(CHECKPOINTS + self._staging.key(path), checkpoint.to_json())

    def read_checkpoint(self, path: str) -> HashCheckpoint | None:
        """Return the last saved checkpoint of a file's upload, if there is one."""
        content = self._read_record(CHECKPOINTS + self._staging.key(path))
        return None if content is None else HashCheckpoint.from_json(content)

    def note_hash(self, path: str, sha256: str) -> None:
        """Record where a file with this hash is, so that it can be copied from there."""
        record = json.dumps({"key": self._staging.key(path)}).encode()
        self._write_record(HASHES + sha256, record)

    def find_copy_source(self, file: RepositoryFile) -> CopySource | None:
        """Return another object with the bytes of a file, if one is recorded and unchanged."""
        if file.sha256 is None or (content := self._read_record(HASHES + file.sha256)) is None:
            return None
        try:
            key = str(json.loads(content)["key"])
        except (KeyError, TypeError, ValueError):
            return None
        head = read_head(self._client, self.bucket, key, absent=_ABSENT, ChecksumMode="ENABLED")
        if head is None:
            return None
        found = StagedObject(head["ContentLength"], head["Metadata"])
        crc = head.get("ChecksumCRC64NVME")
        if (
            found.sha256_if(file) is None
            or crc is None
            or head.get("ChecksumType") != "FULL_OBJECT"
        ):
            return None
        return CopySource(key, head["ETag"], crc64_from_base64(crc))

    def _remember(self, upload_id: str, upload: _Upload) -> None:
        with self._uploads_lock:
            self._uploads[upload_id] = upload

    def _write_record(self, key: str, record: bytes) -> None:
        content = memoryview(record)
        self._puts.put_object(key, content, crc64(content), {})

    def _read_record(self, key: str) -> bytes | None:
        try:
            return self._client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in _ABSENT:
                return None
            raise
