"""What a forecast is reckoned from, read from forecast_data.toml."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Sourced:
    """A figure with where it comes from and when it held."""

    value: float
    source: str
    date: str


@dataclass(frozen=True, slots=True)
class UnitsAnchor:
    """How many Custom Model Units one copy of a known model takes."""

    model: str
    parameters: int
    units: int
    source: str
    date: str


@dataclass(frozen=True, slots=True)
class ForecastData:
    """Prices in US dollars, units as far as they are known, and a throughput."""

    megabytes_per_second: Sourced
    window_minutes: int
    usd_per_unit_month: Sourced
    usd_per_unit_minute: dict[tuple[str, str], Sourced]
    anchors: tuple[UnitsAnchor, ...]
    versions: dict[str, str]

    def version(self, model_type: str | None) -> str:
        """Return the version of Custom Model Unit that a family is billed in."""
        return self.versions.get(model_type or "", self.versions["default"])


@functools.cache
def forecast_data() -> ForecastData:
    """Return the data; the file is read once."""
    data = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return ForecastData(
        megabytes_per_second=_sourced(data["throughput"], "megabytes_per_second"),
        window_minutes=data["billing"]["window_minutes"],
        usd_per_unit_month=_sourced(data["storage"], "usd_per_unit_month"),
        usd_per_unit_minute={
            (row["region"], row["version"]): _sourced(row, "usd_per_unit_minute")
            for row in data["rates"]
        },
        anchors=tuple(UnitsAnchor(**row | {"date": str(row["date"])}) for row in data["units"]),
        versions={name: str(value) for name, value in data["versions"].items()},
    )


def _sourced(row: dict[str, Any], field: str) -> Sourced:
    return Sourced(row[field], row["source"], str(row["date"]))
