"""Ranges that are read side by side, and what is done about those that do not get on."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given, strategies as st
from support.waiting import HANG_SECONDS
from support.worlds.loopback_transfer import bytes_of

from model_import.errors import HubUnavailableError
from model_import.manifest import Slice, Source, Staging
from model_import.sources.hub.range_read import RangeAbandonedError
from model_import.transfer.part_buffers import PartBuffers
from model_import.transfer.part_queue import PartQueue
from model_import.transfer.progress import Tally
from model_import.transfer.range_reads import Patience, RangeReads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from model_import.sources.hub.range_read import RangeRead

CONTENT = bytes_of(1000)
NOBODY = Slice(Source("", "", ""), Staging("", ""), (), "", "", 1)


@dataclass
class SteppedFile:
    """A file each of whose reads brings as many bytes as it is told, when it is told."""

    ignores_range: bool = False
    reads: list[RangeRead] = field(default_factory=list)
    failures: dict[int, Exception] = field(default_factory=dict)
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _stepped: threading.Condition = field(default_factory=threading.Condition)
    _allowed: dict[int, int] = field(default_factory=dict)

    def fill(self, read: RangeRead) -> None:
        number = len(self.reads)
        self.reads.append(read)
        with read.connection():
            self.entered.release()
            while read.left:
                self._bring(number, read)

    def _bring(self, number: int, read: RangeRead) -> None:
        with self._stepped:
            while not (count := min(self._allowed.get(number, 0), len(read.left))):
                read.check()
                if failure := self.failures.get(number):
                    raise failure
                self._stepped.wait(0.01)
            self._allowed[number] -= count
        read.left[:count] = CONTENT[read.position : read.position + count]
        read.advance(count)
        with self._stepped:
            self._stepped.notify_all()

    def let(self, number: int, count: int) -> None:
        """Let a read bring so many bytes, and wait until it has."""
        read = self.reads[number]
        goal = min(read.reached + count, read.end - read.start)
        with self._stepped:
            self._allowed[number] = self._allowed.get(number, 0) + count
            self._stepped.notify_all()
            self._stepped.wait_for(lambda: read.reached >= goal, HANG_SECONDS)


@dataclass
class World:
    """What surrounds the reads of a test."""

    file: SteppedFile = field(default_factory=SteppedFile)
    now: float = 0
    taken: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tally = Tally(NOBODY)
        self.buffers = PartBuffers(4, len(CONTENT))
        self.queue = PartQueue(pending=1)
        patience = Patience(stall_seconds=20, hedge_seconds=1)
        self.reads = RangeReads(self.buffers, self.queue, self.tally, patience, lambda: self.now)

    def read(self) -> None:
        """Read the whole content, as a worker does."""
        buffer = self.buffers.acquire()
        file = cast("Any", self.file)
        self.reads.read(file, range(1000), buffer, after=0, then=self.take)

    def take(self, buffer: memoryview) -> None:
        self.taken.append(bytes(buffer))
        buffer[:] = b"\0" * len(buffer)  # whoever still looks into it sees something wrong
        self.buffers.release(buffer)

    def work(self) -> None:
        """Do what is offered to a worker that has nothing to do."""
        buffer = self.buffers.acquire()
        work = self.queue.take()
        if work is None:
            self.buffers.release(buffer)
        else:
            work(buffer)

    @contextmanager
    def threads(self) -> Iterator[Callable[[Callable[[], None]], Any]]:
        with ThreadPoolExecutor() as threads:
            try:
                yield threads.submit
            finally:
                self.reads.close()
                self.queue.close()


@pytest.fixture
def world() -> World:
    world = World()
    world.reads._rates.append(1000)  # bytes a second, as others had
    return world


def test_a_range_that_gets_on_is_left_alone(world: World) -> None:
    with world.threads() as start:
        reading = start(world.read)
        world.file.entered.acquire()
        world.file.let(0, 500)
        world.now = 1
        world.reads.look()
        world.file.let(0, 500)
        reading.result(HANG_SECONDS)

    assert world.taken == [CONTENT]
    assert world.tally.progress().hedges == world.tally.progress().stalls == 0


def test_a_silent_connection_is_cut_once(world: World) -> None:
    with world.threads() as start:
        reading = start(world.read)
        world.file.entered.acquire()
        world.now = 20
        world.reads.look()
        assert world.tally.progress().stalls == 0
        world.now = 21
        world.reads.look()
        world.reads.look()
        assert world.tally.progress().stalls == 1
        world.file.let(0, 1000)
        reading.result(HANG_SECONDS)

    assert world.taken == [CONTENT]


@given(first=st.integers(0, 999), more=st.integers(0, 999), winner=st.sampled_from([0, 1]))
def test_a_slow_last_range_is_overtaken_and_taken_once_whoever_wins(
    first: int, more: int, winner: int
) -> None:
    world = World()
    world.reads._rates.append(1000)
    more = min(more, 999 - first)
    with world.threads() as start:
        reading = start(world.read)
        world.file.entered.acquire()
        world.file.let(0, first)
        helping = start(world.work)
        while not world.queue._waiting:
            """Until somebody has nothing to do."""
        world.now = 1e6
        world.reads.look()
        world.reads.look()
        world.file.entered.acquire()
        world.file.let(1 - winner, more)
        world.file.let(winner, 1000)
        reading.result(HANG_SECONDS)
        helping.result(HANG_SECONDS)

    assert world.taken == [CONTENT]
    assert len(world.file.reads) == 2
    assert world.file.reads[1].start == first
    assert world.buffers._places == 4
    assert world.tally.progress().hedges == 1


def test_nobody_overtakes_while_there_is_other_work_or_a_file_comes_in_one_stream(
    world: World,
) -> None:
    with world.threads() as start:
        reading = start(world.read)
        world.file.entered.acquire()
        world.now = 1e6
        world.reads.look()
        helping = start(world.work)
        while not world.queue._waiting:
            """Until somebody has nothing to do."""
        world.file.ignores_range = True
        world.reads.look()
        assert world.tally.progress().hedges == 0
        world.file.let(0, 1000)
        reading.result(HANG_SECONDS)
        world.queue.file_done()
        helping.result(HANG_SECONDS)

    assert world.taken == [CONTENT]


def test_a_second_request_that_is_refused_leaves_the_first_to_go_on(world: World) -> None:
    world.file.failures[1] = HubUnavailableError("a", "it answered 418")
    with world.threads() as start:
        reading = start(world.read)
        world.file.entered.acquire()
        helping = start(world.work)
        while not world.queue._waiting:
            """Until somebody has nothing to do."""
        world.now = 1e6
        world.reads.look()
        helping.result(HANG_SECONDS)
        world.file.let(0, 1000)
        reading.result(HANG_SECONDS)

    assert world.taken == [CONTENT]
    assert world.buffers._places == 4


def test_closing_abandons_every_read_and_all_that_come_later(world: World) -> None:
    with world.threads() as start:
        reading = start(world.read)
        world.file.entered.acquire()
        world.reads.close()
        reading.result(HANG_SECONDS)
        world.read()

    assert world.taken == []
    assert world.buffers._places == 4
    with pytest.raises(RangeAbandonedError):
        world.file.reads[0].check()
