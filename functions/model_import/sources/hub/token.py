"""The Hub token, where a deployer keeps it: in Secrets Manager."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from model_import.errors import InvalidInputError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


def read_hub_token(secrets_client: SecretsManagerClient, secret_arn: str) -> str:
    """Return the token that a secret holds, bare or as `{"token": …}`.

    Raises:
        InvalidInputError: it holds neither; the message does not say what it holds.
    """
    secret = secrets_client.get_secret_value(SecretId=secret_arn).get("SecretString", "")
    token = _token(secret)
    if token is None:
        found = f"The secret {secret_arn} holds no Hub token"
        raise InvalidInputError(found, 'Store the token itself, or {"token": "…"}, as its text.')
    return token


def _token(secret: str) -> str | None:
    text = secret.strip()
    if text.startswith("{"):
        try:
            text = json.loads(text).get("token")
        except ValueError:
            return None
    # What is sent in a header is one word of ASCII; a slip of the clipboard is not.
    is_token = isinstance(text, str) and text.isascii() and text.isprintable() and " " not in text
    return text if text and is_token else None
