"""What a task is given for its slice: a size that Fargate has, and no more parts than fit it."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from model_import.preparation.fargate_sizes import is_fargate_size, task_size
from model_import.staging.part_sizes import MIB, part_bytes, spare_buffers
from model_import.transfer.slice_transfer import TransferSettings

GB = 1_000_000_000
ALLOWED = [1024, 2048, 4096, 8192, 16384]


@pytest.mark.parametrize(
    ("slice_bytes", "cpu_units", "memory_mib", "connections"),
    [
        (0, 1024, 2048, 16),
        (4 * GB - 1, 1024, 2048, 16),
        (4 * GB, 2048, 4096, 32),
        (16 * GB, 4096, 8192, 64),
        (64 * GB, 8192, 16384, 128),
    ],
)
def test_a_larger_slice_gets_a_larger_task(
    slice_bytes: int, cpu_units: int, memory_mib: int, connections: int
) -> None:
    size = task_size(slice_bytes, 16 * MIB, cpu_units_at_most=16384)

    assert (size.cpu_units, size.memory_mib) == (cpu_units, memory_mib)
    assert size.connections == connections


def test_no_task_is_larger_than_the_stack_allows() -> None:
    assert task_size(200 * GB, 16 * MIB, cpu_units_at_most=2048).cpu_units == 2048


@given(
    st.integers(0, 200 * GB),
    st.sampled_from(ALLOWED),
    st.integers(5 * MIB, 64 * MIB),
)
def test_every_size_is_one_of_fargates_and_its_part_buffers_fit_half_of_the_memory(
    slice_bytes: int, cpu_units_at_most: int, part_bytes_at_least: int
) -> None:
    longest = part_bytes(slice_bytes, at_least=part_bytes_at_least)

    size = task_size(slice_bytes, longest, cpu_units_at_most=cpu_units_at_most)

    assert is_fargate_size(size.cpu_units, size.memory_mib)
    settings = TransferSettings(size.connections, spare_buffers(size.connections))
    assert settings.parts_in_flight * longest <= size.memory_mib * MIB / 2
    assert size.connections >= 1


@pytest.mark.parametrize(
    ("cpu_units", "memory_mib", "is_one"),
    [
        (1024, 2048, True),
        (1024, 1024, False),
        (4096, 30720, True),
        (4096, 4096, False),
        (8192, 16384 + 1024, False),
        (3072, 8192, False),
    ],
)
def test_fargate_has_some_pairs_of_cpu_and_memory(
    cpu_units: int, memory_mib: int, *, is_one: bool
) -> None:
    assert is_fargate_size(cpu_units, memory_mib) == is_one
