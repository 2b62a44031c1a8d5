"""The secret and the table that both handlers of approvals use."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

import boto3

from model_import.aws.refusals import ACCOUNT_CALLS
from model_import.aws.rotated_secret import RotatedSecret

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


@functools.cache
def approval_secret() -> RotatedSecret:
    """Return the secret that signs the links."""
    secrets = boto3.client("secretsmanager", config=ACCOUNT_CALLS)
    return RotatedSecret(secrets, os.environ["APPROVAL_SECRET_ARN"])


@functools.cache
def approval_table() -> Table:
    return boto3.resource("dynamodb", config=ACCOUNT_CALLS).Table(os.environ["APPROVAL_TABLE"])
