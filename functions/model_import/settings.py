"""The environment of the functions, read once into a dataclass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from model_import.preflight.licence import LicenceRules

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Settings:
    """What template.yaml sets for all functions."""

    region: str
    hub_endpoint: str
    hub_token_secret_arn: str | None
    staging_bucket: str
    transfer_tasks: int
    licences: LicenceRules

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the environment.

        Raises:
            KeyError: A variable that template.yaml sets is missing.
        """
        return cls(
            region=environ["AWS_REGION"],
            hub_endpoint=environ["HUB_ENDPOINT"],
            hub_token_secret_arn=environ.get("HUB_TOKEN_SECRET_ARN") or None,
            staging_bucket=environ["STAGING_BUCKET"],
            transfer_tasks=int(environ.get("TRANSFER_TASKS", "1")),
            licences=LicenceRules.of(
                environ.get("LICENCES_ALLOWED", "").split(","),
                environ.get("LICENCES_DENIED", "").split(","),
            ),
        )
