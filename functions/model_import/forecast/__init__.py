"""Forecasts the time, units and cost of an import."""
