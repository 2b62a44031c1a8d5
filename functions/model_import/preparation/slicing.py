"""Splits the weights of a model into slices, one for each transfer task."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from model_import.manifest import PartRun
from model_import.staging.part_sizes import PART_BYTES_BY_DEFAULT, part_bytes, part_ranges

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from model_import.manifest import RepositoryFile

_SHARES_OF_A_CUT_FILE: Final = 2
"""A file is cut if it is longer than this many shares. The other tasks would otherwise wait for it,
which costs more than reading the whole file again for its hash."""


@dataclass(frozen=True, slots=True)
class FanOut:
    """How many tasks may move the weights of a model.

    A task takes about a minute to start: below `slice_bytes_at_least`, the first task is done
    before a second one has begun.
    """

    tasks_at_most: int
    slice_bytes_at_least: int = 8_000_000_000
    task_cpu_units_at_most: int = 4096
    part_bytes_at_least: int = PART_BYTES_BY_DEFAULT


@dataclass(slots=True)
class Share:
    """What one task moves: whole files, and runs of parts of files that several tasks move."""

    files: list[RepositoryFile] = field(default_factory=list)
    part_runs: list[PartRun] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        """Return the bytes of all files and parts of the share."""
        whole = sum(file.size_bytes for file in self.files)
        return whole + sum(run.size_bytes for run in self.part_runs)

    def add(self, piece: RepositoryFile | PartRun) -> None:
        """Add a file or a run of parts."""
        if isinstance(piece, PartRun):
            self.part_runs.append(piece)
        else:
            self.files.append(piece)


def cut_slices(files: Sequence[RepositoryFile], fan_out: FanOut) -> tuple[Share, ...]:
    """Return the files in shares of about equal bytes; no share is empty."""
    total_bytes = sum(file.size_bytes for file in files)
    useful = max(1, total_bytes // fan_out.slice_bytes_at_least)
    tasks = min(useful, fan_out.tasks_at_most)
    pieces = [piece for file in files for piece in _cut(file, total_bytes // tasks, fan_out)]
    shares = [Share() for _ in range(min(tasks, len(pieces)))]
    for piece in sorted(pieces, key=_largest_first):
        # Among equal shares, the one with fewer pieces, so that empty files are spread, too.
        min(
            shares, key=lambda share: (share.size_bytes, len(share.files) + len(share.part_runs))
        ).add(piece)
    return tuple(shares)


def _cut(
    file: RepositoryFile, share_bytes: int, fan_out: FanOut
) -> Iterator[RepositoryFile | PartRun]:
    """Yield the file, or runs of its parts: each of one share, and a last one with the rest."""
    # Without a SHA-256 on the Hub, a file from several tasks cannot be verified.
    if file.sha256 is None or file.size_bytes <= _SHARES_OF_A_CUT_FILE * share_bytes:
        yield file
        return
    length = part_bytes(file.size_bytes, at_least=fan_out.part_bytes_at_least)
    parts = len(part_ranges(file.size_bytes, length))
    parts_of_a_share = -(-share_bytes // length)
    for start in range(0, parts, parts_of_a_share):
        yield PartRun(file, length, start + 1, min(parts_of_a_share, parts - start))


def _largest_first(piece: RepositoryFile | PartRun) -> tuple[int, str, int]:
    if isinstance(piece, PartRun):
        return -piece.size_bytes, piece.file.path, piece.first_number
    return -piece.size_bytes, piece.path, 0
