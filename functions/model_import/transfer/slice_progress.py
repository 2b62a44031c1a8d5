"""How far one transfer task is: a small object next to the manifest."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self

from model_import.manifest import VERSION

type SliceState = Literal["running", "succeeded", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class SliceProgress:
    """One task at one moment; `updated_at` is in UTC, ISO 8601.

    `bytes_per_second` is the rate at which bytes arrived, were copied or were read back since the
    previous write, and at the end the rate of the whole task. `eta_seconds` is the time left at
    that rate, None while nothing moves. `error` is the class name of the error.
    """

    state: SliceState
    bytes_done: int
    bytes_total: int
    files_done: int
    files_total: int
    bytes_per_second: int
    eta_seconds: int | None
    retries: int
    stalls: int
    connections: int
    error: str | None
    updated_at: str

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that is stored in S3."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read the JSON object that `to_dict` wrote."""
        return cls(**{field.name: data[field.name] for field in fields(cls)})
