"""Reads the Hub token from Secrets Manager."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from model_import.errors import InvalidInputError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


def read_hub_token(secrets_client: SecretsManagerClient, secret_arn: str) -> str:
    """Return the token in a secret, either plain or as `{"token": …}`.

    Raises:
        InvalidInputError: the secret has neither; the message does not quote the secret.
    """
    secret = secrets_client.get_secret_value(SecretId=secret_arn).get("SecretString", "")
    token = _token(secret)
    if token is None:
        found = f"The secret {secret_arn} does not contain a Hub token"
        raise InvalidInputError(found, 'Store the token, or {"token": "…"}, as its text.')
    return token


def _token(secret: str) -> str | None:
    text = secret.strip()
    if text.startswith("{"):
        try:
            text = json.loads(text).get("token")
        except ValueError:
            return None
    # A header takes one word of ASCII; text that was pasted by mistake is often something else.
    is_token = isinstance(text, str) and text.isascii() and text.isprintable() and " " not in text
    return text if text and is_token else None
