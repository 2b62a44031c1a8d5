"""Part sizes against the limits of S3."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from model_import.manifest import PartRun, RepositoryFile, Slice, Source, Staging
from model_import.staging.part_sizes import (
    MIB,
    PART_BYTES_AT_MOST,
    PARTS_AT_MOST,
    longest_part_bytes,
    part_bytes,
    part_ranges,
)

LARGEST_FILE = PART_BYTES_AT_MOST * PARTS_AT_MOST


@given(st.integers(0, LARGEST_FILE), st.integers(5 * MIB, PART_BYTES_AT_MOST))
def test_every_file_that_s3_takes_fits_its_limits(file_bytes: int, at_least: int) -> None:
    size = part_bytes(file_bytes, at_least=at_least)

    assert at_least <= size <= PART_BYTES_AT_MOST
    assert size * PARTS_AT_MOST >= file_bytes


def test_a_shard_of_five_gigabytes_has_parts_of_the_usual_size() -> None:
    assert part_bytes(4_900_000_000, at_least=16 * MIB) == 16 * MIB


def test_parts_grow_when_ten_thousand_would_not_do() -> None:
    assert part_bytes(160_000 * MIB, at_least=16 * MIB) == 16 * MIB
    assert part_bytes(160_000 * MIB + 1, at_least=16 * MIB) == 17 * MIB


def test_a_file_beyond_the_limits_of_s3_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit in 10000 parts"):
        part_bytes(LARGEST_FILE + 1, at_least=16 * MIB)


@given(st.integers(0, 10_000), st.integers(1, 3_000))
def test_the_parts_are_the_file_without_gap_or_overlap(file_bytes: int, size: int) -> None:
    ranges = part_ranges(file_bytes, size)

    assert [byte for part in ranges for byte in part] == list(range(file_bytes))
    assert all(len(part) == size for part in ranges[:-1])
    assert 0 < len(ranges[-1]) <= size or file_bytes == 0


@pytest.mark.parametrize(
    ("file_bytes", "run_bytes", "longest"),
    [
        ([], [], 0),
        ([0], [], 0),
        ([10, 7 * MIB], [], 7 * MIB),
        ([10, 17 * MIB], [], 16 * MIB),
        ([10], [17 * MIB], 16 * MIB),
        ([17 * MIB], [160_000 * MIB + 1], 17 * MIB),
    ],
)
def test_the_longest_part_of_a_slice_is_that_of_its_files_and_runs(
    file_bytes: list[int], run_bytes: list[int], longest: int
) -> None:
    runs = [
        PartRun(RepositoryFile("b", size, ""), part_bytes(size, at_least=16 * MIB), 1, 1)
        for size in run_bytes
    ]
    slice_ = Slice(
        Source("", "", ""),
        Staging("", ""),
        tuple(RepositoryFile("a", size, "") for size in file_bytes),
        "",
        "",
        part_bytes_at_least=16 * MIB,
        part_runs=tuple(runs),
    )

    assert longest_part_bytes(slice_) == longest
    assert all(run.part_bytes <= longest for run in runs)


def test_an_empty_file_is_one_empty_part() -> None:
    assert part_ranges(0, 100) == [range(0)]
