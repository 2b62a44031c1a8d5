"""Delivers a webhook as the Hub does: to the stack's URL, with the stack's secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import urllib3

if TYPE_CHECKING:
    from local.deployment.local_aws import LocalAws


def deliver(aws: LocalAws, payload: bytes) -> int:
    """Post a payload as the Hub does, and return the status of the answer."""
    outputs = aws.stack.outputs
    secrets = aws.account.client("secretsmanager")
    secret = secrets.get_secret_value(SecretId=outputs["WebhookSecretArn"])["SecretString"]
    headers = {"Content-Type": "application/json", "X-Webhook-Secret": secret}
    url = outputs["WebhookUrl"]
    # urllib3 itself would give up after 3 s.
    answer = urllib3.request("POST", url, body=payload, headers=headers, timeout=None)
    return answer.status
