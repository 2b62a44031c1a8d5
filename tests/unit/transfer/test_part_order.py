"""The order of parts: two files at a time, each opened before its first part's turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest

from model_import.transfer.part_order import in_order

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class File:
    """Works that are names: `a0` is the first part of the file `a`."""

    name: str
    part_count: int

    @property
    def open_ahead(self) -> str:
        return f"open {self.name}"

    def works(self) -> Iterator[str]:
        return (f"{self.name}{index}" for index in range(self.part_count))


def order_of(*part_counts: int, ahead: int) -> list[str]:
    files = [File(name, count) for name, count in zip("abcd", part_counts, strict=False)]
    return cast("list[str]", in_order(cast("Any", files), ahead=ahead))


@pytest.mark.parametrize(
    ("part_counts", "order"),
    [
        ((), []),
        ((1, 1, 1), ["a0", "b0", "c0"]),
        ((3,), ["open a", "a0", "a1", "a2"]),
        ((2, 3), ["open b", "open a", "a0", "b0", "a1", "b1", "b2"]),
        ((1, 2, 2), ["open b", "a0", "b0", "open c", "b1", "c0", "c1"]),
    ],
)
def test_two_files_take_turns(part_counts: tuple[int, ...], order: list[str]) -> None:
    assert order_of(*part_counts, ahead=1) == order


def test_a_file_is_opened_so_many_works_ahead() -> None:
    works = order_of(8, 8, 8, ahead=4)

    assert works.index("c0") - works.index("open c") == 5


def test_each_part_is_there_once_and_each_file_s_are_in_order() -> None:
    works = order_of(5, 1, 7, 2, ahead=3)

    parts = [work for work in works if not work.startswith("open")]
    assert sorted(parts) == sorted(set(parts))
    for name, count in zip("abcd", (5, 1, 7, 2), strict=True):
        assert [p for p in parts if p[0] == name] == [f"{name}{n}" for n in range(count)]
