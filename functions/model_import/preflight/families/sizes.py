"""Reads sizes from an untrusted config.json, and computes shapes from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

LAYERS_AT_MOST: Final = 1_000
EXPERTS_AT_MOST: Final = 1_024
_SIZE_AT_MOST: Final = 2**31 - 1
# Several times those of any published model. Larger numbers would fill the memory with tables.


class ConfigSizeError(ValueError):
    """A value of config.json is not valid for any model."""

    def __init__(self, name: str, value: object, accepted: str) -> None:
        super().__init__(f"{name} is {value!r:.100}, not {accepted}")
        self.name = name
        self.value = value
        self.accepted = accepted


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes by the name of their field; the formulas of shapes use these names."""

    values: Mapping[str, int]
    _shapes: dict[str, tuple[int, ...]] = field(default_factory=dict, repr=False)

    def __getitem__(self, name: str) -> int:
        return self.values[name]

    def shape(self, formula: str) -> tuple[int, ...]:
        """Return the shape of a formula such as `3*hidden_size, hidden_size`."""
        known = self._shapes.get(formula)
        if known is None:
            known = tuple(self._dimension(text) for text in formula.split(", "))
            self._shapes[formula] = known
        return known

    def _dimension(self, text: str) -> int:
        return sum(
            prod(int(name) if name.isdigit() else self.values[name] for name in term.split("*"))
            for term in text.split("+")
        )


def read_sizes(config: dict[str, Any], defaults: Mapping[str, int]) -> dict[str, int]:
    """Return the fields that `defaults` names, each from the configuration or by default.

    Raises:
        ConfigSizeError: One is not a whole number above zero.
    """
    return {name: read_size(config, name, default) for name, default in defaults.items()}


def read_size(
    config: dict[str, Any], name: str, default: int, *, at_most: int = _SIZE_AT_MOST
) -> int:
    """Return one field.

    Raises:
        ConfigSizeError: It is not a whole number from 1 to `at_most`.
    """
    value = config.get(name, default)
    if type(value) is not int or not 1 <= value <= at_most:
        raise ConfigSizeError(name, value, f"a whole number from 1 to {at_most}")
    return value


def read_size_or(config: dict[str, Any], name: str, default: int, *, when_null: int) -> int:
    """Return one field, or `when_null`, as the model class computes it, if the field is null.

    Raises:
        ConfigSizeError: It is neither null nor a whole number above zero.
    """
    if name in config and config[name] is None:
        return when_null
    return read_size(config, name, default)


def read_flag(config: dict[str, Any], name: str, *, default: bool) -> bool:
    """Return one flag; null is false.

    Raises:
        ConfigSizeError: It is neither true, false nor null.
    """
    value = config.get(name, default)
    if value is not None and not isinstance(value, bool):
        raise ConfigSizeError(name, value, "true or false")
    return bool(value)


def read_numbers(config: dict[str, Any], name: str, default: list[int]) -> frozenset[int]:
    """Return a list of layer numbers; null is the default.

    Raises:
        ConfigSizeError: It is not a list of whole numbers.
    """
    value = config.get(name)
    if value is None:
        return frozenset(default)
    if not isinstance(value, list) or any(type(number) is not int for number in value):
        raise ConfigSizeError(name, value, "a list of layer numbers")
    return frozenset(value)


def read_section(config: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a nested configuration; null or a missing one means all defaults.

    Raises:
        ConfigSizeError: It is not a JSON object.
    """
    value = config.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigSizeError(name, value, "a JSON object")
    return value


def rename_aliases(config: dict[str, Any], aliases: Mapping[str, str]) -> dict[str, Any]:
    """Return the configuration with each alias replaced by the name that its class uses.

    If both are given, the alias wins, because the class sets it last.
    """
    return config | {own: config[alias] for alias, own in aliases.items() if alias in config}
