"""Prevents access to a bucket of another account that reuses the name of a deleted bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from botocore.model import OperationModel
    from mypy_boto3_s3 import S3Client


_OWNERS: Final = ("ExpectedBucketOwner", "ExpectedSourceBucketOwner")
"""The parameters for the bucket and for the source of a copy; both buckets have one owner."""


def expecting_owner(s3: S3Client, account_id: str) -> S3Client:
    """Return the client, changed to name the expected owner in every request that accepts it."""

    def name_owner(params: dict[str, Any], model: OperationModel, **_: object) -> None:
        for name in _OWNERS:
            if model.input_shape and name in model.input_shape.members:
                params.setdefault(name, account_id)

    s3.meta.events.register("provide-client-params.s3", name_owner)
    return s3
