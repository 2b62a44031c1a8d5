"""The weights of one model, cut into slices for as many transfer tasks as they deserve."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from model_import.manifest import PartRun
from model_import.staging.part_sizes import PART_BYTES_BY_DEFAULT, part_bytes, part_ranges

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from model_import.manifest import RepositoryFile

_SHARES_OF_A_CUT_FILE: Final = 2
"""A file is cut when it is longer than this many shares: then the tasks that would have waited for
it save more than reading the whole of it again for its hash costs."""


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


@dataclass(slots=True)
class Share:
    """What one task is to move: whole files, and runs of parts of files that several tasks move."""

    files: list[RepositoryFile] = field(default_factory=list)
    part_runs: list[PartRun] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        """Return the bytes of all of it."""
        whole = sum(file.size_bytes for file in self.files)
        return whole + sum(run.size_bytes for run in self.part_runs)

    def add(self, piece: RepositoryFile | PartRun) -> None:
        """Take a piece in."""
        if isinstance(piece, PartRun):
            self.part_runs.append(piece)
        else:
            self.files.append(piece)


def cut_slices(files: Sequence[RepositoryFile], fan_out: FanOut) -> tuple[Share, ...]:
    """Return the files in shares of about the same bytes, largest first; none is empty."""
    total_bytes = sum(file.size_bytes for file in files)
    deserved = max(1, total_bytes // fan_out.slice_bytes_at_least)
    tasks = min(deserved, fan_out.tasks_at_most)
    pieces = [piece for file in files for piece in _cut(file, total_bytes // tasks, fan_out)]
    shares = [Share() for _ in range(min(tasks, len(pieces)))]
    for piece in sorted(pieces, key=_largest_first):
        # Among equals the one with fewer pieces, so that files of no bytes spread too.
        min(
            shares, key=lambda share: (share.size_bytes, len(share.files) + len(share.part_runs))
        ).add(piece)
    return tuple(shares)


def _cut(
    file: RepositoryFile, share_bytes: int, fan_out: FanOut
) -> Iterator[RepositoryFile | PartRun]:
    """Yield the file, or runs of its parts: of a share each, and one of what is left."""
    # Without a SHA-256 at the Hub there is nothing to hold a joined file against.
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
