"""An AWS account on one machine: its endpoint and credentials."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config

ACCOUNT_ID = "123456789012"
# botocore would compose one for every request.
USER_AGENT = "local"
_CONFIG = Config(user_agent=USER_AGENT)


@dataclass(frozen=True, slots=True)
class Account:
    """The account that moto simulates, at one endpoint and in one Region."""

    endpoint: str
    region: str = "us-east-1"
    id: str = ACCOUNT_ID
    _clients: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that point any AWS SDK and the AWS CLI to this account."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }

    def client(self, service: str) -> Any:  # noqa: ANN401 – the caller names the client's type
        """Return a boto3 client of this account, the one of its service."""
        # Any thread may ask; making a client takes longer than most of its calls.
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,  # type: ignore[call-overload]
                endpoint_url=self.endpoint,
                region_name=self.region,
                aws_access_key_id="local",
                aws_secret_access_key="local",  # noqa: S106
                config=_CONFIG,
            )
        return self._clients[service]
