"""The steps in which one range is read."""

from __future__ import annotations

from dataclasses import dataclass

from model_import.sources.hub.range_read import CHUNK_BYTES, RangeRead


@dataclass
class Clock:
    """A clock that stands until it is set."""

    now_seconds: float = 0

    def __call__(self) -> float:
        return self.now_seconds


def begun_read(clock: Clock) -> RangeRead:
    return RangeRead(0, memoryview(bytearray(16 * CHUNK_BYTES)), clock=clock)


def test_a_fast_connection_is_read_in_longer_steps() -> None:
    clock = Clock()
    read = begun_read(clock)
    assert len(read.step) == CHUNK_BYTES
    clock.now_seconds = 0.01
    read.advance(CHUNK_BYTES)
    assert len(read.step) == 4 * CHUNK_BYTES


def test_a_connection_that_becomes_slow_is_read_by_the_chunk_again() -> None:
    clock = Clock()
    read = begun_read(clock)
    read.advance(CHUNK_BYTES)
    clock.now_seconds = 5
    read.advance(4 * CHUNK_BYTES)
    assert len(read.step) == CHUNK_BYTES


def test_a_new_connection_is_read_by_the_chunk_at_first() -> None:
    read = begun_read(Clock())
    read.advance(CHUNK_BYTES)
    with read.connection():
        assert len(read.step) == CHUNK_BYTES


def test_a_step_ends_with_the_range() -> None:
    read = begun_read(Clock())
    read.advance(15 * CHUNK_BYTES)
    assert len(read.step) == CHUNK_BYTES
