"""The environment of the functions, read once into a dataclass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class FunctionSettings:
    """What template.yaml sets for all functions, then for single functions."""

    account_id: str
    stack_id: str
    region: str
    hub_endpoint: str
    hub_token_secret_arn: str | None
    hub_ca_bundle: str | None
    staging_bucket: str
    # Only for Validate Repository.
    licences_allowed: tuple[str, ...]
    licences_denied: tuple[str, ...]
    megabytes_per_second: float | None
    # Only for Prepare Repository.
    tasks_at_most: int
    slice_bytes_at_least: int
    task_cpu_units_at_most: int

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
            hub_ca_bundle=environ.get("REQUESTS_CA_BUNDLE") or None,
            staging_bucket=environ["STAGING_BUCKET"],
            licences_allowed=tuple(environ.get("LICENCES_ALLOWED", "").split(",")),
            licences_denied=tuple(environ.get("LICENCES_DENIED", "").split(",")),
            megabytes_per_second=_number(environ.get("FORECAST_MEGABYTES_PER_SECOND")),
            tasks_at_most=int(environ.get("TRANSFER_TASKS", "1")),
            slice_bytes_at_least=int(environ.get("TRANSFER_SLICE_BYTES", "8000000000")),
            task_cpu_units_at_most=int(environ.get("TRANSFER_TASK_CPU", "4096")),
        )


def _number(text: str | None) -> float | None:
    return float(text) if text else None
