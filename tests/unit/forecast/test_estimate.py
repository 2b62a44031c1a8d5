"""What an import is forecast to take and to cost, and that every figure says where it is from."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings, strategies as st
from support.fakes.fake_repository import FakeReaders, llama_files, snapshot_of

from model_import.bedrock.rules import bedrock_rules
from model_import.forecast.data import forecast_data
from model_import.forecast.estimate import Forecast, forecast
from model_import.preflight.judge import judge

TODAY = date(2026, 11, 24)
FILES = llama_files()
MODEL = judge(snapshot_of(FILES), FakeReaders(FILES), "us-east-1").figures


def forecast_of(
    parameters: int = 8_030_261_248,
    weights_bytes: int = 16_060_522_496,
    region: str = "us-east-1",
    model_type: str = "llama",
    rate: float | None = None,
) -> Forecast:
    model = replace(
        MODEL, parameters=parameters, weights_bytes=weights_bytes, model_type=model_type
    )
    return forecast(model, region, today=TODAY, megabytes_per_second=rate)


@pytest.mark.parametrize(
    ("parameters", "units"),
    [
        (1_235_814_400, (1, 1)),  # Llama 3.2 1B: below the smallest that is known
        (4_022_468_096, (1, 1)),  # Qwen3-4B, known
        (6_200_000_000, (1, 2)),
        (7_615_616_512, (2, 2)),  # Qwen2.5-7B: like Llama 3.1 8B
        (8_030_261_248, (2, 2)),  # known
        (32_762_123_264, (2, 8)),  # Qwen3-32B
        (70_553_706_496, (8, 8)),  # known
        (98_000_000_000, (8, 12)),  # in proportion to the largest that is known
    ],
)
def test_units_lie_between_those_of_the_known_models_around(
    parameters: int, units: tuple[int, int]
) -> None:
    figure = forecast_of(parameters).custom_model_units

    assert (figure.at_least, figure.at_most) == units
    assert figure.source.startswith("estimate from parameters: ")


@settings(deadline=None)
@given(st.integers(1, 200_000_000_000), st.integers(1, 200_000_000_000))
def test_a_larger_model_is_never_forecast_to_take_less(one: int, other: int) -> None:
    small, large = (
        forecast_of(parameters).custom_model_units for parameters in sorted((one, other))
    )

    assert 1 <= (small.at_least or 0) <= (small.at_most or 0) <= (large.at_most or 0)
    assert (small.at_least or 0) <= (large.at_least or 0)


def test_prices_are_units_times_rate_times_minutes() -> None:
    told = forecast_of()

    assert told.usd_per_window.at_least == pytest.approx(2 * 0.05718 * 5)
    assert told.usd_per_active_hour.at_most == pytest.approx(2 * 0.05718 * 60)
    assert told.usd_per_storage_month.at_least == pytest.approx(2 * 1.95)
    assert "us-east-1" in told.usd_per_window.source


def test_gpt_oss_is_billed_in_units_of_another_version() -> None:
    told = forecast_of(model_type="gpt_oss")

    assert told.usd_per_window.at_least == pytest.approx(2 * 0.1433 * 5)
    assert "v2.0" in told.usd_per_window.source


@pytest.mark.parametrize(
    ("region", "model_type"), [("us-east-2", "llama"), ("eu-central-1", "gpt_oss")]
)
def test_a_price_that_nobody_found_is_unknown_and_not_guessed(region: str, model_type: str) -> None:
    figure = forecast_of(region=region, model_type=model_type).usd_per_active_hour

    assert (figure.at_least, figure.at_most) == (None, None)
    assert region in figure.source


def test_seconds_come_from_the_throughput_that_was_configured() -> None:
    assert forecast_of().transfer_seconds.at_least == 287
    configured = forecast_of(rate=500).transfer_seconds

    assert configured.at_least == 33
    assert configured.source == "500 MB/s (as configured)"


def test_a_model_that_could_not_be_counted_has_no_units_and_no_price() -> None:
    told = forecast_of(parameters=0)

    assert told.custom_model_units.at_least is None
    assert told.usd_per_storage_month.at_least is None


def test_every_figure_is_labelled_a_forecast_with_source_and_date_and_the_whole_is_small() -> None:
    told = forecast_of().to_dict()

    for figure in told.values():
        assert figure["kind"] == "forecast"
        assert figure["source"]
        assert date.fromisoformat(figure["date"])
        assert figure["unit"]
    assert len(json.dumps(told)) < 3_000


def test_the_data_names_regions_that_import_and_rises_with_size() -> None:
    data = forecast_data()

    assert {region for region, _ in data.usd_per_unit_minute} <= set(bedrock_rules().regions)
    assert list(data.anchors) == sorted(data.anchors, key=lambda anchor: anchor.parameters)
    assert [anchor.units for anchor in data.anchors] == sorted(a.units for a in data.anchors)
