"""The weights of one model, cut into slices for as many transfer tasks as they deserve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model_import.manifest import RepositoryFile

SLICE_BYTES_AT_LEAST: Final = 8_000_000_000
# A task takes about a minute to start; below this one task is done before a second has begun.


def cut_slices(
    files: Sequence[RepositoryFile], tasks_at_most: int
) -> tuple[tuple[RepositoryFile, ...], ...]:
    """Return the files in slices of about the same bytes, largest file first; none is empty."""
    total_bytes = sum(file.size_bytes for file in files)
    deserved = max(1, total_bytes // SLICE_BYTES_AT_LEAST)
    slices: list[list[RepositoryFile]] = [
        [] for _ in range(min(deserved, tasks_at_most, len(files)))
    ]
    for file in sorted(files, key=lambda file: (-file.size_bytes, file.path)):
        # Among equals the one with fewer files, so that files of no bytes spread too.
        min(slices, key=lambda slice_: (_size_bytes(slice_), len(slice_))).append(file)
    return tuple(tuple(files) for files in slices)


def _size_bytes(files: list[RepositoryFile]) -> int:
    return sum(file.size_bytes for file in files)
