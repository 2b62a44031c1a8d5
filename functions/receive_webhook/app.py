"""Receive Webhook: puts a `Model Released` event for a delivery of the Hub."""

from __future__ import annotations

import base64
import functools
import json
import os
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger

from model_import.aws.rotated_secret import RotatedSecret
from model_import.release.bus import publish_releases
from model_import.release.webhook import MalformedDeliveryError, has_secret, read_release

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_events import EventBridgeClient

logger = Logger()


@functools.cache
def secret() -> RotatedSecret:
    """Return the secret that the Hub sends with each delivery."""
    return RotatedSecret(boto3.client("secretsmanager"), os.environ["WEBHOOK_SECRET_ARN"])


@functools.cache
def events() -> EventBridgeClient:
    return boto3.client("events")


@logger.inject_lambda_context
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Answer a request to the function's URL; without the secret, only with 401."""
    given = (event.get("headers") or {}).get("x-webhook-secret", "")
    if not has_secret(given, secret()):
        return _answer(HTTPStatus.UNAUTHORIZED)
    try:
        release = read_release(_body(event), os.environ["TRACKED_BRANCH"])
    except MalformedDeliveryError as error:
        logger.warning("malformed delivery", reason=str(error))
        return _answer(HTTPStatus.BAD_REQUEST, str(error))
    if release is None:
        return _answer(HTTPStatus.ACCEPTED, "not a release")
    publish_releases(events(), [release])
    logger.info("released", repo_id=release.repo_id, commit=release.commit)
    return _answer(HTTPStatus.ACCEPTED, "released")


def _body(event: dict[str, Any]) -> bytes:
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return str(body).encode(errors="replace")
    try:
        return base64.b64decode(body, validate=True)
    except ValueError:
        raise MalformedDeliveryError("the body is not Base64") from None


def _answer(status: HTTPStatus, outcome: str | None = None) -> dict[str, Any]:
    body = json.dumps({"outcome": outcome or status.phrase})
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json", "cache-control": "no-store"},
        "body": body,
    }
