"""The fixed memory of the transfer."""

from __future__ import annotations

import ctypes
import mmap
from concurrent.futures import ThreadPoolExecutor

import pytest

from model_import.transfer.part_buffers import BuffersClosedError, PartBuffers


def test_a_buffer_that_came_back_is_lent_again() -> None:
    buffers = PartBuffers(count=2, buffer_bytes=10)
    first = buffers.acquire()

    buffers.release(first)

    assert buffers.acquire() is first


def test_whoever_asks_for_one_too_many_waits_for_one_to_come_back() -> None:
    buffers = PartBuffers(count=2, buffer_bytes=10)
    lent = [buffers.acquire(), buffers.acquire()]

    with ThreadPoolExecutor() as threads:
        third = threads.submit(buffers.acquire)
        assert not third.done()
        buffers.release(lent[1])
        assert third.result() is lent[1]


def test_a_buffer_begins_with_a_page() -> None:
    buffers = PartBuffers(count=2, buffer_bytes=mmap.PAGESIZE + 1)

    for buffer in (buffers.acquire(), buffers.acquire()):
        assert len(buffer) == mmap.PAGESIZE + 1
        assert ctypes.addressof(ctypes.c_char.from_buffer(buffer)) % mmap.PAGESIZE == 0


def test_closing_wakes_whoever_waits() -> None:
    buffers = PartBuffers(count=1, buffer_bytes=10)
    lent = buffers.acquire()

    with ThreadPoolExecutor() as threads:
        second = threads.submit(buffers.acquire)
        buffers.close()
        with pytest.raises(BuffersClosedError):
            second.result()

    buffers.release(lent)
    with pytest.raises(BuffersClosedError):
        buffers.acquire()


def test_a_place_can_stay_taken_after_its_buffer_is_back() -> None:
    buffers = PartBuffers(count=1, buffer_bytes=10)
    first = buffers.acquire()
    buffers.release(first, places=0)

    with ThreadPoolExecutor() as threads:
        second = threads.submit(buffers.acquire)
        assert not second.done()
        buffers.free(1)
        assert second.result() is first
