"""The upload of a file that several tasks move: it is opened before the tasks start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model_import.manifest import Staging
from model_import.staging.objects import find_object, object_metadata
from model_import.staging.open_uploads import find_open_upload, open_upload

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from model_import.manifest import RepositoryFile, Source

UNVERIFIED: Final = "unverified/"
"""The prefix before the key of the future object; expires in a day, as the upload does."""


def unverified(staging: Staging) -> Staging:
    """Return where the files of a staging prefix are until they are verified."""
    return Staging(staging.bucket, UNVERIFIED + staging.prefix)


def ensure_upload(s3: S3Client, staging: Staging, source: Source, file: RepositoryFile) -> None:
    """Open the upload of a file, unless one is open already or there is nothing left to upload."""
    bucket = staging.bucket
    in_place = find_object(s3, bucket, staging.key(file.path))
    if in_place is not None and in_place.sha256_if(file):
        return
    waiting = unverified(staging)
    key = waiting.key(file.path)
    if find_open_upload(s3, bucket, key) is not None:
        return
    whole = find_object(s3, bucket, key)
    if whole is None or not whole.sha256_if(file):
        open_upload(s3, bucket, key, object_metadata(source, file, str(file.sha256)))
