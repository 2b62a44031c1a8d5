"""The weights of one model, cut into slices for as many transfer tasks as they deserve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from model_import.part_sizes import PART_BYTES_BY_DEFAULT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model_import.manifest import RepositoryFile


@dataclass(frozen=True, slots=True)
class FanOut:
    """How far the weights of a model may be spread.

    A task takes about a minute to start; with less than `slice_bytes_at_least` one task is done
    before a second has begun.
    """

    tasks_at_most: int
    slice_bytes_at_least: int = 8_000_000_000
    task_cpu_units_at_most: int = 4096
    part_bytes_at_least: int = PART_BYTES_BY_DEFAULT


def cut_slices(
    files: Sequence[RepositoryFile], fan_out: FanOut
) -> tuple[tuple[RepositoryFile, ...], ...]:
    """Return the files in slices of about the same bytes, largest file first; none is empty."""
    total_bytes = sum(file.size_bytes for file in files)
    deserved = max(1, total_bytes // fan_out.slice_bytes_at_least)
    slices: list[list[RepositoryFile]] = [
        [] for _ in range(min(deserved, fan_out.tasks_at_most, len(files)))
    ]
    for file in sorted(files, key=lambda file: (-file.size_bytes, file.path)):
        # Among equals the one with fewer files, so that files of no bytes spread too.
        min(slices, key=lambda slice_: (_size_bytes(slice_), len(slice_))).append(file)
    return tuple(tuple(files) for files in slices)


def _size_bytes(files: list[RepositoryFile]) -> int:
    return sum(file.size_bytes for file in files)
