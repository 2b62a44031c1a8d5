"""The parts that are still to be moved."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from support.waiting import HANG_SECONDS

from model_import.transfer.part_queue import PartQueue

if TYPE_CHECKING:
    from concurrent.futures import Future

    from model_import.transfer.part_queue import Work


def work(name: str) -> Work:
    def move(_: memoryview) -> None:
        """Do nothing."""

    move.__name__ = name
    return move


FIRST, SECOND, THIRD = work("first"), work("second"), work("third")


def waiting(threads: ThreadPoolExecutor, queue: PartQueue) -> Future[Work | None]:
    taken = threads.submit(queue.take)
    while not queue._waiting:
        """Until it waits."""
    return taken


def test_work_is_taken_in_order_and_none_when_all_files_are_done() -> None:
    queue = PartQueue(pending=1)
    queue.append([FIRST, SECOND])

    assert [queue.take(), queue.take()] == [FIRST, SECOND]
    queue.file_done()
    assert queue.take() is None


def test_whoever_finds_none_gets_that_of_a_file_that_is_begun_again() -> None:
    queue = PartQueue(pending=1)

    with ThreadPoolExecutor() as threads:
        taken = waiting(threads, queue)
        queue.begin_again([FIRST])
        assert taken.result(HANG_SECONDS) is FIRST


def test_a_file_that_is_begun_again_comes_first_and_in_order() -> None:
    queue = PartQueue(pending=1)
    queue.append([THIRD])

    queue.begin_again([FIRST, SECOND])

    assert [queue.take(), queue.take(), queue.take()] == [FIRST, SECOND, THIRD]


def test_work_is_offered_to_those_who_wait_only() -> None:
    queue = PartQueue(pending=1)
    assert not queue.offer(FIRST)

    with ThreadPoolExecutor() as threads:
        taken = waiting(threads, queue)
        assert queue.offer(FIRST)
        assert taken.result(HANG_SECONDS) is FIRST


def test_the_end_of_the_last_file_wakes_whoever_waits() -> None:
    queue = PartQueue(pending=1)

    with ThreadPoolExecutor() as threads:
        taken = waiting(threads, queue)
        queue.file_done()
        assert taken.result(HANG_SECONDS) is None


def test_closing_drops_the_work_and_wakes_whoever_waits() -> None:
    queue = PartQueue(pending=2)

    with ThreadPoolExecutor() as threads:
        taken = waiting(threads, queue)
        queue.close()
        assert taken.result(HANG_SECONDS) is None


def test_whoever_asks_after_the_end_gets_none_though_a_file_was_done_meanwhile() -> None:
    queue = PartQueue(pending=1)
    queue.close()
    queue.file_done()
    queue.append([FIRST])

    with ThreadPoolExecutor() as threads:
        assert threads.submit(queue.take).result(HANG_SECONDS) is None
