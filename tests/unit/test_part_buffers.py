"""The fixed memory of the transfer."""

from __future__ import annotations

import queue
from concurrent.futures import ThreadPoolExecutor

import pytest

from model_import.part_buffers import PartBuffers


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


def test_closing_wakes_whoever_waits() -> None:
    buffers = PartBuffers(count=1, buffer_bytes=10)
    lent = buffers.acquire()

    with ThreadPoolExecutor() as threads:
        second = threads.submit(buffers.acquire)
        buffers.close()
        with pytest.raises(queue.ShutDown):
            second.result()

    buffers.release(lent)
    with pytest.raises(queue.ShutDown):
        buffers.acquire()
