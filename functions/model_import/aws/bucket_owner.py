"""Has S3 refuse a bucket of somebody else, made under the name of one that is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from botocore.model import OperationModel
    from mypy_boto3_s3 import S3Client


_OWNERS: Final = ("ExpectedBucketOwner", "ExpectedSourceBucketOwner")
"""Of the bucket, and of the one that an object is copied from, which here is the same."""


def expecting_owner(s3: S3Client, account_id: str) -> S3Client:
    """Return the client, which from now on names the owner in every request that can."""

    def name_owner(params: dict[str, Any], model: OperationModel, **_: object) -> None:
        for name in _OWNERS:
            if model.input_shape and name in model.input_shape.members:
                params.setdefault(name, account_id)

    s3.meta.events.register("provide-client-params.s3", name_owner)
    return s3
