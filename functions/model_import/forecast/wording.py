"""Writes the figures of a forecast for people."""

from __future__ import annotations

from typing import Any, Final

FORECAST_LABELS: Final = {
    "transfer_seconds": "Transfer",
    "custom_model_units": "Units per copy",
    "usd_per_window": "5 active minutes",
    "usd_per_active_hour": "Active hour",
    "usd_per_storage_month": "Month of storage",
}
"""The figures that people see, in this order."""
_UNKNOWN: Final = "unknown"
_BYTES_PER_GIGABYTE: Final = 1_000_000_000
_BYTES_PER_MEGABYTE: Final = 1_000_000
_MINUTES_PER_HOUR: Final = 60
_SECONDS_PER_MINUTE: Final = 60


def amount(name: str, figure: dict[str, Any]) -> str:
    """Return a figure of a forecast's `to_dict` as one amount, or as a range."""
    low, high = figure["at_least"], figure["at_most"]
    if low is None:
        return _UNKNOWN
    if name == "transfer_seconds":
        return duration(low)
    form, unit = ("{:,.2f}", " USD") if name.startswith("usd_") else ("{:g}", "")
    amounts = dict.fromkeys(form.format(side) for side in (low, high))
    return " to ".join(amounts) + unit


def duration(seconds: float) -> str:
    """Return seconds in a readable unit."""
    minutes = round(seconds / _SECONDS_PER_MINUTE)
    if minutes < 1:
        return f"{seconds:g} s"
    if minutes < _MINUTES_PER_HOUR:
        return f"{minutes} min"
    return f"{minutes // _MINUTES_PER_HOUR} h {minutes % _MINUTES_PER_HOUR:02} min"


def size(count: int) -> str:
    """Return bytes in a readable unit."""
    if count < _BYTES_PER_GIGABYTE / 10:
        return f"{count / _BYTES_PER_MEGABYTE:.2f} MB"
    return f"{count / _BYTES_PER_GIGABYTE:.2f} GB"
