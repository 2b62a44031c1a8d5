"""How far one transfer task is, as the small object that lies beside the manifest while it runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self

from model_import.manifest import VERSION

type SliceState = Literal["running", "succeeded", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class SliceProgress:
    """One task at one moment; `updated_at` is in UTC, ISO 8601.

    `bytes_per_second` is the rate at which bytes came, or were copied or read back, since the
    object was written before, and at the end that of the whole task; `eta_seconds` is what is left
    at that rate, None while nothing moves. `error` is the name of a class.
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
        """Return the JSON object that lies in S3."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read the JSON object that `to_dict` wrote."""
        return cls(**{field.name: data[field.name] for field in fields(cls)})
