"""The cut of the weights into slices: every file once, even shares, no more tasks than deserved."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st

from model_import.manifest import RepositoryFile
from model_import.slicing import FanOut, cut_slices

SLICE_BYTES = FanOut(1).slice_bytes_at_least
SIZES = st.lists(st.just(0) | st.integers(0, 3 * SLICE_BYTES), max_size=30)


def files_of(sizes: list[int]) -> list[RepositoryFile]:
    return [
        RepositoryFile(f"model-{number}.safetensors", size, "", f"sha256 of {number}")
        for number, size in enumerate(sizes)
    ]


def bytes_of_slices(sizes: list[int], tasks_at_most: int) -> list[int]:
    slices = cut_slices(files_of(sizes), FanOut(tasks_at_most))
    return [sum(file.size_bytes for file in files) for files in slices]


@settings(deadline=None)
@given(SIZES, st.integers(1, 40))
def test_every_file_is_in_one_slice_and_no_slice_is_empty(
    sizes: list[int], tasks_at_most: int
) -> None:
    slices = cut_slices(files_of(sizes), FanOut(tasks_at_most))
    assert len(slices) <= tasks_at_most
    assert all(slices)
    assert sorted(file.path for files in slices for file in files) == sorted(
        file.path for file in files_of(sizes)
    )


@settings(deadline=None)
@given(SIZES.filter(bool), st.integers(1, 40))
def test_slices_differ_by_no_more_than_the_largest_file(
    sizes: list[int], tasks_at_most: int
) -> None:
    shares = bytes_of_slices(sizes, tasks_at_most)
    assert max(shares) - min(shares) <= max(sizes)


@settings(deadline=None)
@given(SIZES, st.integers(1, 40))
def test_the_order_of_the_files_changes_nothing(sizes: list[int], tasks_at_most: int) -> None:
    files, fan_out = files_of(sizes), FanOut(tasks_at_most)
    assert cut_slices(files[::-1], fan_out) == cut_slices(files, fan_out)


def test_no_files_are_no_slices() -> None:
    assert cut_slices([], FanOut(4)) == ()


def test_a_small_model_is_one_slice_however_many_files_and_tasks() -> None:
    assert len(bytes_of_slices([1_000_000] * 20, 40)) == 1


def test_a_second_task_is_deserved_at_twice_the_least_bytes() -> None:
    half = SLICE_BYTES
    assert bytes_of_slices([half, half - 1], 4) == [2 * half - 1]
    assert bytes_of_slices([half, half], 4) == [half, half]


def test_one_file_is_one_slice_however_large() -> None:
    assert bytes_of_slices([20 * SLICE_BYTES], 4) == [20 * SLICE_BYTES]


def test_a_slice_takes_its_largest_file_first() -> None:
    (files,) = cut_slices(files_of([3, 1, 2]), FanOut(1))
    assert [file.size_bytes for file in files] == [3, 2, 1]


def test_thirty_shards_of_a_70b_model_are_shared_evenly_by_four_tasks() -> None:
    shares = bytes_of_slices([4_900_000_000] * 29 + [2_100_000_000], 4)
    assert len(shares) == 4
    assert max(shares) - min(shares) <= 4_900_000_000


def test_files_of_no_bytes_do_not_leave_a_slice_empty() -> None:
    slices = cut_slices(files_of([3 * SLICE_BYTES, 0, 0]), FanOut(3))
    assert [len(files) for files in slices] == [1, 1, 1]
