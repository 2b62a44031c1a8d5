"""The prices, units and throughput that a forecast is computed from, read from data.toml."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class SourcedValue:
    """A value with its source and the date for which the source states it."""

    value: float
    source: str
    date: str


@dataclass(frozen=True, slots=True)
class UnitsAnchor:
    """The number of Custom Model Units that one copy of a known model uses."""

    model: str
    parameters: int
    units: int
    source: str
    date: str


@dataclass(frozen=True, slots=True)
class ForecastData:
    """Prices in US dollars, the units of known models, and a throughput."""

    megabytes_per_second: SourcedValue
    window_minutes: int
    usd_per_unit_month: SourcedValue
    usd_per_unit_minute: dict[tuple[str, str], SourcedValue]
    anchors: tuple[UnitsAnchor, ...]
    versions: dict[str, str]

    def version(self, model_type: str | None) -> str:
        """Return the version of Custom Model Units in which a family is billed."""
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


def _sourced(row: dict[str, Any], field: str) -> SourcedValue:
    return SourcedValue(row[field], row["source"], str(row["date"]))
