"""Forecasts the bytes, time, units and cost of an import before any weights are transferred."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Self

from model_import.forecast.data import SourcedValue, forecast_data

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from model_import.forecast.data import UnitsAnchor
    from model_import.preflight.verdict import ModelFigures

_ANCHOR_TOLERANCE: Final = 0.1
# Assumption: within 10 % of a known model's parameters, a model uses the same units.
_BYTES_PER_MEGABYTE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of a forecast, as a range; an unknown side is None."""

    at_least: float | None
    at_most: float | None
    unit: str
    source: str
    date: str

    def times(self, factor: float, unit: str, source: str, date: str) -> Figure:
        """Return this figure multiplied by a factor, such as a price."""
        low, high = (None if side is None else round(side * factor, 4) for side in self._sides())
        return Figure(low, high, unit, source, date)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read one figure of a forecast's `to_dict`; unknown fields are ignored."""
        return cls(**{field.name: data[field.name] for field in fields(cls)})

    def _sides(self) -> tuple[float | None, float | None]:
        return self.at_least, self.at_most


@dataclass(frozen=True, slots=True)
class Forecast:
    """The forecast of an import; prices are for one copy of the model."""

    transfer_bytes: Figure
    transfer_seconds: Figure
    custom_model_units: Figure
    usd_per_active_hour: Figure
    usd_per_window: Figure
    usd_per_storage_month: Figure

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON, with each figure marked as a forecast."""
        return {name: {"kind": "forecast", **figure} for name, figure in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON that `to_dict` wrote; unknown fields are ignored."""
        return cls(**{field.name: Figure.from_dict(data[field.name]) for field in fields(cls)})


def forecast(
    model: ModelFigures, region: str, *, today: date, megabytes_per_second: float | None = None
) -> Forecast:
    """Return the forecast for a model in a Region; the default throughput is that of the data."""
    data = forecast_data()
    rate = data.megabytes_per_second
    if megabytes_per_second not in (None, rate.value):
        rate = SourcedValue(megabytes_per_second, "as configured", today.isoformat())
    seconds = math.ceil(model.weights_bytes / (rate.value * _BYTES_PER_MEGABYTE))
    units = _units(model.parameters)
    version = data.version(model.model_type)
    storage = data.usd_per_unit_month
    return Forecast(
        transfer_bytes=Figure(
            model.weights_bytes, model.weights_bytes, "bytes", "Hub", today.isoformat()
        ),
        transfer_seconds=Figure(
            seconds, seconds, "seconds", f"{rate.value:g} MB/s ({rate.source})", rate.date
        ),
        custom_model_units=units,
        usd_per_active_hour=_price(units, region, version, 60),
        usd_per_window=_price(units, region, version, data.window_minutes),
        usd_per_storage_month=units.times(
            storage.value,
            "USD per month, from the import to the deletion",
            f"{storage.value} USD per unit ({storage.source})",
            storage.date,
        ),
    )


def _price(units: Figure, region: str, version: str, minutes: int) -> Figure:
    unit = f"USD per copy and {minutes} active minutes"
    rate = forecast_data().usd_per_unit_minute.get((region, version))
    if rate is None:
        return Figure(None, None, unit, f"the price of {version} units in {region} is unknown", "")
    source = f"{rate.value} USD per unit and minute, {version}, {region} ({rate.source})"
    return units.times(rate.value * minutes, unit, source, rate.date)


def _units(parameters: int) -> Figure:
    """Return the units of one copy: between those of the next smaller and larger known models."""
    unit, anchors = "Custom Model Units per copy", forecast_data().anchors
    if parameters <= 0:
        return Figure(None, None, unit, "the parameters could not be counted", "")
    near = next((anchor for anchor in anchors if _is_near(anchor, parameters)), None)
    below = near or next((a for a in reversed(anchors) if a.parameters < parameters), None)
    above = near or next((a for a in anchors if a.parameters > parameters), None)
    known = [anchor for anchor in (below, above) if anchor]
    source = "estimate from parameters: " + ", ".join(
        f"{anchor.model} uses {anchor.units} ({anchor.source})" for anchor in dict.fromkeys(known)
    )
    at_least = below.units if below else 1
    at_most = above.units if above else _extrapolate(anchors[-1], parameters)
    return Figure(at_least, at_most, unit, source, max(anchor.date for anchor in known))


def _is_near(anchor: UnitsAnchor, parameters: int) -> bool:
    return abs(parameters - anchor.parameters) <= _ANCHOR_TOLERANCE * anchor.parameters


def _extrapolate(largest: UnitsAnchor, parameters: int) -> int:
    """Return units in proportion to the largest known model."""
    return math.ceil(largest.units * parameters / largest.parameters)
