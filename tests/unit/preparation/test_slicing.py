"""The cut of the weights into slices: every byte once, even shares, no more tasks than deserved."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st

from model_import.manifest import PartRun, RepositoryFile
from model_import.preparation.slicing import FanOut, Share, cut_slices
from model_import.staging.part_sizes import part_ranges

SLICE_BYTES = FanOut(1).slice_bytes_at_least
SIZES = st.lists(st.just(0) | st.integers(0, 3 * SLICE_BYTES), max_size=30)


def files_of(sizes: list[int], sha256: str | None = "abc") -> list[RepositoryFile]:
    return [
        RepositoryFile(f"model-{number}.safetensors", size, "", sha256)
        for number, size in enumerate(sizes)
    ]


def cut(sizes: list[int], tasks_at_most: int, sha256: str | None = "abc") -> tuple[Share, ...]:
    return cut_slices(files_of(sizes, sha256), FanOut(tasks_at_most))


def bytes_of_slices(sizes: list[int], tasks_at_most: int) -> list[int]:
    return [share.size_bytes for share in cut(sizes, tasks_at_most)]


def parts_of(share: Share) -> list[tuple[str, int]]:
    """Return every part of a share, a whole file being part 0."""
    runs = [
        (run.file.path, number)
        for run in share.part_runs
        for number in range(run.first_number, run.first_number + run.count)
    ]
    return runs + [(file.path, 0) for file in share.files]


@settings(deadline=None)
@given(SIZES, st.integers(1, 40))
def test_every_byte_is_in_one_slice_and_no_slice_is_empty(
    sizes: list[int], tasks_at_most: int
) -> None:
    shares = cut(sizes, tasks_at_most)
    assert len(shares) <= tasks_at_most
    assert all(share.files or share.part_runs for share in shares)
    assert sum(share.size_bytes for share in shares) == sum(sizes)
    parts = [part for share in shares for part in parts_of(share)]
    assert len(parts) == len(set(parts))
    assert {path for path, _ in parts} == {file.path for file in files_of(sizes)}


@settings(deadline=None)
@given(SIZES.filter(bool), st.integers(1, 40))
def test_slices_differ_by_no_more_than_the_largest_piece(
    sizes: list[int], tasks_at_most: int
) -> None:
    shares = cut(sizes, tasks_at_most)
    totals = [share.size_bytes for share in shares]
    pieces = [file.size_bytes for share in shares for file in share.files]
    pieces += [run.size_bytes for share in shares for run in share.part_runs]
    assert max(totals) - min(totals) <= max(pieces)


@settings(deadline=None)
@given(SIZES, st.integers(1, 40))
def test_the_order_of_the_files_changes_nothing(sizes: list[int], tasks_at_most: int) -> None:
    files, fan_out = files_of(sizes), FanOut(tasks_at_most)
    assert cut_slices(files[::-1], fan_out) == cut_slices(files, fan_out)


def test_no_files_are_no_slices() -> None:
    assert cut([], 4) == ()


def test_a_small_model_is_one_slice_however_many_files_and_tasks() -> None:
    assert len(bytes_of_slices([1_000_000] * 20, 40)) == 1


def test_a_second_task_is_deserved_at_twice_the_least_bytes() -> None:
    half = SLICE_BYTES
    assert bytes_of_slices([half, half - 1], 4) == [2 * half - 1]
    assert bytes_of_slices([half, half], 4) == [half, half]


def test_a_slice_takes_its_largest_file_first() -> None:
    (share,) = cut([3, 1, 2], 1)
    assert [file.size_bytes for file in share.files] == [3, 2, 1]


def test_thirty_shards_of_a_70b_model_are_shared_evenly_by_four_tasks() -> None:
    shares = bytes_of_slices([4_900_000_000] * 29 + [2_100_000_000], 4)
    assert len(shares) == 4
    assert max(shares) - min(shares) <= 4_900_000_000


def test_files_of_no_bytes_do_not_leave_a_slice_empty() -> None:
    shares = cut([SLICE_BYTES, SLICE_BYTES, SLICE_BYTES, 0, 0], 3)
    assert [len(share.files) for share in shares] == [2, 2, 1]


def test_a_file_of_more_than_two_shares_is_cut_by_parts() -> None:
    size = 50_000_000_000
    shares = cut([size, 4_000_000_000], 4)
    assert len(shares) == 4
    assert max(share.size_bytes for share in shares) < 1.05 * (size + 4_000_000_000) / 4
    runs = sorted(
        (run for share in shares for run in share.part_runs), key=lambda run: run.first_number
    )
    numbers = [
        number for run in runs for number in range(run.first_number, run.first_number + run.count)
    ]
    assert numbers == list(range(1, len(part_ranges(size, runs[0].part_bytes)) + 1))
    assert [(run.byte_range.start, run.byte_range.stop) for run in runs][-1][1] == size


def test_a_file_of_two_shares_is_not_cut() -> None:
    (one, other) = cut([2 * SLICE_BYTES, SLICE_BYTES - 1, 1], 2)
    assert not one.part_runs
    assert not other.part_runs


def test_a_file_without_a_sha256_is_not_cut() -> None:
    assert [len(share.files) for share in cut([20 * SLICE_BYTES], 4, sha256=None)] == [1]


def test_one_task_cuts_nothing() -> None:
    (share,) = cut([50 * SLICE_BYTES], 1)
    assert not share.part_runs


def test_the_last_run_of_a_file_ends_where_the_file_does() -> None:
    file = RepositoryFile("a", 25, "", "abc")
    assert PartRun(file, 10, first_number=2, count=2).byte_range == range(10, 25)
    assert PartRun(file, 10, first_number=3, count=1).size_bytes == 5
