"""The environment of the functions, read once into a dataclass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from model_import.preflight.licence import LicenceRules
from model_import.preparation.slicing import FanOut

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Settings:
    """What template.yaml sets for all functions."""

    account_id: str
    stack_id: str
    region: str
    hub_endpoint: str
    hub_token_secret_arn: str | None
    staging_bucket: str
    licences: LicenceRules
    fan_out: FanOut
    megabytes_per_second: float | None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the environment.

        Raises:
            KeyError: A variable that template.yaml sets is missing.
        """
        return cls(
            account_id=environ["ACCOUNT_ID"],
            stack_id=environ["STACK_ID"],
            region=environ["AWS_REGION"],
            hub_endpoint=environ["HUB_ENDPOINT"],
            hub_token_secret_arn=environ.get("HUB_TOKEN_SECRET_ARN") or None,
            staging_bucket=environ["STAGING_BUCKET"],
            licences=LicenceRules.of(
                environ.get("LICENCES_ALLOWED", "").split(","),
                environ.get("LICENCES_DENIED", "").split(","),
            ),
            # Prepare Repository's alone.
            fan_out=FanOut(
                tasks_at_most=int(environ.get("TRANSFER_TASKS", "1")),
                slice_bytes_at_least=int(environ.get("TRANSFER_SLICE_BYTES", "8000000000")),
                task_cpu_units_at_most=int(environ.get("TRANSFER_TASK_CPU", "4096")),
            ),
            megabytes_per_second=_number(environ.get("FORECAST_MEGABYTES_PER_SECOND")),
        )


def _number(text: str | None) -> float | None:
    return float(text) if text else None
