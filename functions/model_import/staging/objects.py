"""What S3 reports about an object under the staging prefix, and about parts of an upload."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

    from model_import.manifest import RepositoryFile, Source


def object_metadata(source: Source, file: RepositoryFile, sha256: str) -> dict[str, str]:
    """Return the metadata of a file's object: the hashes of the file and its source."""
    return {
        "sha256": sha256,
        "blob-id": file.blob_id,
        "source-repository": source.repo_id,
        "source-commit": source.commit,
        "source-path": quote(file.path),  # S3 accepts only ASCII
    }


@dataclass(frozen=True, slots=True)
class StagedObject:
    """An object in the bucket; `metadata` is what `object_metadata` returned."""

    size_bytes: int
    metadata: Mapping[str, str]

    def sha256_if(self, file: RepositoryFile) -> str | None:
        """Return the object's SHA-256 if the object has the size and the hash of the file."""
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


def read_head(
    s3: S3Client,
    bucket: str,
    key: str,
    *,
    absent: Collection[int] = (HTTPStatus.NOT_FOUND,),
    **request: Any,  # noqa: ANN401 as boto3 takes it
) -> HeadObjectOutputTypeDef | None:
    """Return the answer of S3 to HEAD, or None if its status means that the object is absent."""
    try:
        return s3.head_object(Bucket=bucket, Key=key, **request)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] in absent:
            return None
        raise


def find_object(s3: S3Client, bucket: str, key: str) -> StagedObject | None:
    """Return the object at a key, if there is one."""
    head = read_head(s3, bucket, key)
    return None if head is None else StagedObject(head["ContentLength"], head["Metadata"])
