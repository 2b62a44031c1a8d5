"""Reads the settings of the program from its environment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from model_import.errors import InvalidInputError
from model_import.staging.part_sizes import spare_buffers

if TYPE_CHECKING:
    from collections.abc import Mapping

_PATIENCE_SHARE: Final = 0.75


@dataclass(frozen=True, slots=True)
class TransferTaskSettings:
    """Which slice to move, with which access, and how much of it at once."""

    slice_uri: str
    hub_token_secret_arn: str | None
    bucket_owner: str | None
    connections: int
    heartbeat_seconds: int
    stack_name: str
    hub_ca_bundle: str | None = None
    s3_ca_bundle: str | None = None

    @property
    def patience_seconds(self) -> float:
        """Return how long the Hub or S3 may fail in a row before this attempt fails by name.

        No heartbeats are sent meanwhile. If they stop for longer, the state times out, and the
        name of the error is lost.
        """
        return _PATIENCE_SHARE * self.heartbeat_seconds

    @property
    def spare_buffers(self) -> int:
        """Return how many buffers there are in addition to one per connection."""
        return spare_buffers(self.connections)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the environment; only SLICE_URI is required.

        HUB_TOKEN_SECRET_ARN, EXPECTED_BUCKET_OWNER, STACK_NAME, TRANSFER_CONNECTIONS,
        TRANSFER_HEARTBEAT_SECONDS, AWS_CA_BUNDLE and REQUESTS_CA_BUNDLE may be missing or empty.

        Raises:
            InvalidInputError: a variable is missing or out of range; the message names it.
        """
        slice_uri = environ.get("SLICE_URI", "")
        if not re.fullmatch(r"s3://[^/]+/.+", slice_uri):
            raise InvalidInputError(f"SLICE_URI is {slice_uri!r}", "It must be s3://BUCKET/KEY.")
        hub_ca_bundle = environ.get("REQUESTS_CA_BUNDLE") or None
        return cls(
            slice_uri=slice_uri,
            hub_token_secret_arn=environ.get("HUB_TOKEN_SECRET_ARN") or None,
            bucket_owner=environ.get("EXPECTED_BUCKET_OWNER") or None,
            connections=_whole_number(environ, "TRANSFER_CONNECTIONS", 32, 1, 256),
            heartbeat_seconds=_whole_number(
                environ, "TRANSFER_HEARTBEAT_SECONDS", 300, 60, 100_000
            ),
            stack_name=environ.get("STACK_NAME") or "model-import",
            hub_ca_bundle=hub_ca_bundle,
            s3_ca_bundle=environ.get("AWS_CA_BUNDLE") or hub_ca_bundle,
        )


def _whole_number(
    environ: Mapping[str, str], name: str, default: int, at_least: int, at_most: int
) -> int:
    text = environ.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,12}", text) or not at_least <= int(text) <= at_most:
        accepted = f"It must be a whole number from {at_least} to {at_most}."
        raise InvalidInputError(f"{name} is {text!r}", accepted)
    return int(text)
