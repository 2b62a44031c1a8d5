"""How a file is split into the parts of an S3 multipart upload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from model_import.manifest import Slice

MIB: Final = 1024 * 1024
PART_BYTES_AT_MOST: Final = 5 * 1024 * MIB
PARTS_AT_MOST: Final = 10_000
# Both: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
PART_BYTES_BY_DEFAULT: Final = 16 * MIB


def part_bytes(file_bytes: int, *, at_least: int) -> int:
    """Return the part size of a file: `at_least`, or more whole MiB if 10,000 are not enough.

    Raises:
        ValueError: S3 does not accept an object of this size.
    """
    if file_bytes <= at_least * PARTS_AT_MOST:
        return at_least
    needed_mib = -(-file_bytes // (PARTS_AT_MOST * MIB))
    if needed_mib * MIB > PART_BYTES_AT_MOST:
        message = (
            f"{file_bytes} bytes do not fit in {PARTS_AT_MOST} parts of {PART_BYTES_AT_MOST} bytes"
        )
        raise ValueError(message)
    return needed_mib * MIB


def part_ranges(file_bytes: int, part_bytes: int) -> list[range]:
    """Return the byte range of each part, in order; an empty file is one empty part."""
    starts = range(0, max(file_bytes, 1), part_bytes)
    return [range(start, min(start + part_bytes, file_bytes)) for start in starts]


def longest_part_bytes(slice_: Slice) -> int:
    """Return the size of the longest part of a slice, which is the size of its buffers."""
    files = (*slice_.files, *(run.file for run in slice_.part_runs))
    lengths = (
        min(file.size_bytes, part_bytes(file.size_bytes, at_least=slice_.part_bytes_at_least))
        for file in files
    )
    return max(lengths, default=0)


def spare_buffers(connections: int) -> int:
    """Return how many parts may wait for S3, or for the next checkpoint of their hash.

    With fewer than eight, every third part would need a checkpoint.
    """
    return max(8, connections // 2)
