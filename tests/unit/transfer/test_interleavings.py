"""Parts under way at the same time: any interleaving of reads, hashes and PUTs comes out right.

The threads of the engine run one at a time, in an order that hypothesis draws, and may change at
every lock, every step of a range, of a PUT and of the hash.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final, cast

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from support.fakes.memory_staging import MemoryHub, MemoryObjects, files_of, route_between
from support.thread_schedule import Schedule, ScheduledLock
from support.worlds.loopback_transfer import bytes_of

from model_import.checksums import file_hash
from model_import.checksums.crc64 import crc64
from model_import.checksums.file_hash import sha256_hex
from model_import.checksums.sha256_state import sha256
from model_import.staging.part_sizes import part_ranges
from model_import.transfer import (
    file_in_parts,
    file_transfer,
    part_buffers,
    part_order,
    part_queue,
    range_reads,
)
from model_import.transfer.file_transfer import FileTransfer
from model_import.transfer.part_buffers import BuffersClosedError, PartBuffers
from model_import.transfer.part_order import in_order
from model_import.transfer.range_reads import Patience
from model_import.transfer.slice_transfer import TransferSettings
from model_import.transfer.upload_round import UploadRound
from model_import.transport.retries import TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.fakes.memory_staging import PutOutcome

_ENGINE: Final = (part_buffers, part_queue, range_reads, file_hash, file_in_parts, file_transfer)
_LOOKS: Final = 6
"""Of the thread that looks for slow ranges while others have nothing to do; all ranges are."""


@dataclass(frozen=True)
class Case:
    """What is moved, with how much of it at once, and what goes wrong."""

    part_bytes: int
    sizes: tuple[int, ...]
    settings: TransferSettings
    put_outcomes: tuple[PutOutcome, ...]
    turns: int | None
    """Until the transfer is interrupted."""
    is_killed: bool
    """Rather than stopped in order."""
    turns_in_a_row: int
    """That one thread is given, more or less, while the others stand still."""

    @property
    def files(self) -> dict[str, bytes]:
        return {f"{n}": bytes_of(size, seed=n) for n, size in enumerate(self.sizes)}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    part_bytes = draw(st.integers(2, 12))
    parts = draw(st.lists(st.integers(0, 8), min_size=1, max_size=2))
    sizes = tuple(max(0, part_bytes * count + draw(st.integers(-1, 1))) for count in parts)
    outcomes: st.SearchStrategy[PutOutcome] = st.sampled_from(["stored", "refused", "answer lost"])
    return Case(
        part_bytes,
        sizes,
        TransferSettings(
            connections=draw(st.integers(2, 4)), spare_buffers=draw(st.integers(0, 4))
        ),
        put_outcomes=tuple(draw(st.lists(outcomes, max_size=8))),
        turns=draw(st.none() | st.integers(1, 25 * sum(parts) + 10)),
        is_killed=draw(st.booleans()),
        turns_in_a_row=draw(st.sampled_from([1, 5, 30, 200])),
    )


class WatchedBuffers(PartBuffers):
    """Knows which buffers are lent, and spoils what is in one that comes back."""

    def __init__(self, count: int, buffer_bytes: int) -> None:
        super().__init__(count, buffer_bytes)
        self.count = count
        self.lent: dict[int, memoryview] = {}
        self.made: set[int] = set()

    def acquire(self) -> memoryview:
        buffer = super().acquire()
        assert id(buffer) not in self.lent, "Two have one buffer"
        self.lent[id(buffer)] = buffer
        self.made.add(id(buffer))
        assert len(self.made) <= self.count, "More memory than was agreed"
        return buffer

    def release(self, buffer: memoryview, *, places: int = 1) -> None:
        assert self.lent.pop(id(buffer), None) is buffer, "A buffer came back that was not lent"
        buffer[:] = b"\xa5" * len(buffer)
        super().release(buffer, places=places)


class InOrder(dict[Any, None]):
    """A set that is gone through in the same order whenever a case is run again."""

    def add(self, one: object) -> None:
        self[one] = None

    def discard(self, one: object) -> None:
        self.pop(one, None)


class SteppedSha256:
    """Hashes a part in two steps."""

    def __init__(self, schedule: Schedule, state: str | None) -> None:
        self._schedule = schedule
        self._sha256 = sha256(state)
        self.state = self._sha256.state
        self.hexdigest = self._sha256.hexdigest

    def update(self, data: memoryview) -> None:
        half = len(data) // 2
        for step in (data[:half], data[half:]):
            self._schedule.pause()
            self._sha256.update(step)


@dataclass
class Engine:
    """The parts of the transfer on one schedule, between a Hub and a bucket in memory."""

    case: Case
    schedule: Schedule
    objects: MemoryObjects
    now: float = 0
    working: int = 0
    is_stopped: bool = False
    files: list[FileTransfer] = field(default_factory=list)

    def __post_init__(self) -> None:
        case, self.hub = self.case, MemoryHub(self.case.files, self.schedule.pause)
        self.buffers = WatchedBuffers(case.settings.parts_in_flight, case.part_bytes)
        route = route_between(
            self.hub,
            self.objects,
            self.buffers,
            checkpoint_parts=case.settings.checkpoint_parts,
            patience=Patience(stall_seconds=float("inf"), hedge_seconds=1),
            clock=lambda: self.now,
        )
        self.queue, self.reads, self.tally = route.queue, route.reads, route.tally
        self.reads._races = cast("Any", InOrder())
        for file in files_of(self.hub):
            self.files.append(FileTransfer(file, case.part_bytes, route))
        self.queue.append(in_order(self.files, ahead=case.settings.parts_in_flight))

    def start(self) -> None:
        for _ in range(self.case.settings.connections):
            self.working += 1
            self.schedule.start(self._work)
        self.schedule.start(self._look, is_awaited=False)

    def stop(self) -> None:
        """End in order, as a task that is told to stop."""
        self.is_stopped = True
        self.objects.stopped.set()
        self.schedule.start(self._stop)
        self.schedule.run()

    def _work(self) -> None:
        try:
            while self.queue.move_next(self.buffers):
                pass
        except (BuffersClosedError, TransientError):
            assert self.is_stopped
        finally:
            self.working -= 1

    def _look(self) -> None:
        for _ in range(_LOOKS):
            self.schedule.pause(until=lambda: bool(self.queue._waiting))
            self.now += 1000
            self.reads.look()

    def _stop(self) -> None:
        for part in (self.queue, self.buffers, self.reads):
            part.close()
        self.schedule.pause(until=lambda: not self.working)
        for file in self.files:
            file.keep_checkpoint()

    def parts_read(self) -> set[tuple[str, int]]:
        """Return which parts were asked for, by file and index."""
        return {(path, start // self.case.part_bytes) for path, start in self.hub.read_from}


@dataclass
class Favour:
    """Chooses the same thread for a while."""

    dice: Random
    turns_in_a_row: int
    favourite: int = 0

    def __call__(self, count: int) -> int:
        if not self.dice.randrange(self.turns_in_a_row):
            self.favourite = self.dice.randrange(8)
        return self.favourite % count


@contextmanager
def scheduled(case: Case, dice: Random) -> Iterator[Schedule]:
    """Yield a schedule on which the modules of the engine run."""
    favour = Favour(dice, case.turns_in_a_row)
    with pytest.MonkeyPatch.context() as patched, Schedule(favour) as schedule:
        for module in _ENGINE:
            if hasattr(module, "threading"):
                patched.setattr(module, "threading", schedule.primitives())
        # Its lock was named when the class was made.
        patched.setattr(file_transfer, "UploadRound", partial(scheduled_round, schedule))
        patched.setattr(file_hash, "sha256", lambda state: SteppedSha256(schedule, state))
        yield schedule


def scheduled_round(
    schedule: Schedule,
    *args: Any,  # noqa: ANN401 those of a round
    **settings: Any,  # noqa: ANN401 as above
) -> UploadRound:
    round_ = UploadRound(*args, **settings)
    round_.checkpointing = cast("Any", ScheduledLock(schedule))
    return round_


def move(case: Case, dice: Random) -> Counter[str]:
    """Move the files, with an interruption where the case has one; return what was met."""
    objects = MemoryObjects(put_outcomes=iter(case.put_outcomes))
    with scheduled(case, dice) as schedule:
        first = last = run(case, schedule, objects)
        is_done = schedule.run(case.turns)
        if not is_done:
            interrupt(case, schedule, first)
    if not is_done:
        objects.stopped.clear()
        with scheduled(case, dice) as schedule:
            last = run(case, schedule, objects)
            schedule.run()
        twice = first.parts_read() & last.parts_read()
        assert len(twice) <= case.settings.parts_in_flight, "More than the parts in flight"
    check(case, last)
    objects.met["hedged"] += first.tally.progress().hedges
    return objects.met


def interrupt(case: Case, schedule: Schedule, engine: Engine) -> None:
    engine.objects.met["killed" if case.is_killed else "stopped"] += 1
    if case.is_killed:
        schedule.kill()
    else:
        engine.stop()
    assert all(case.files[path] == found for path, found in engine.objects.objects.items())


def run(case: Case, schedule: Schedule, objects: MemoryObjects) -> Engine:
    objects.pause = schedule.pause
    engine = Engine(case, schedule, objects)
    engine.start()
    return engine


def check(case: Case, engine: Engine) -> None:
    objects, sizes = engine.objects, case.sizes
    assert objects.objects == case.files
    assert objects.crcs == {path: crc64(all_) for path, all_ in case.files.items()}
    assert objects.uploads == {}
    reported = [file.sha256 for file in engine.tally.report().files]
    assert reported == [sha256_hex(content) for content in case.files.values()]
    assert engine.tally.progress().bytes_done == sum(sizes)
    assert engine.buffers.lent == {}, "A buffer was lost"
    assert engine.buffers._places == case.settings.parts_in_flight
    if not engine.tally.progress().hedges:
        ranges = sum(len(part_ranges(size, case.part_bytes)) for size in sizes)
        assert len(engine.hub.read_from) <= ranges, "A range was read twice"


@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(cases(), st.randoms(use_true_random=False))
def test_any_interleaving_of_parts_in_flight_gives_the_same_bytes_and_hashes(
    case: Case, dice: Random
) -> None:
    move(case, dice)


@pytest.mark.parametrize("connections", [1, 2, 3])
def test_more_files_than_are_begun_at_a_time_do_not_wait_for_each_other_s_places(
    connections: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As when files begin again, which are put first while others are under way.
    monkeypatch.setattr(part_order, "FILES_AT_A_TIME", 5)
    case = Case(
        part_bytes=8,
        sizes=(41,) * 5,
        settings=TransferSettings(connections=connections, spare_buffers=4),
        put_outcomes=(),
        turns=None,
        is_killed=False,
        turns_in_a_row=1,
    )
    for seed in range(5):
        move(case, Random(seed))  # noqa: S311 no secret


def test_the_interleavings_come_across_all_that_may_happen_in_between() -> None:
    met: Counter[str] = Counter()
    outcomes: tuple[PutOutcome, ...] = ("refused", "stored", "answer lost", "stored")
    for seed in range(30):
        case = Case(
            part_bytes=8,
            sizes=(41, 17),
            settings=TransferSettings(connections=3, spare_buffers=seed % 5),
            put_outcomes=outcomes,
            turns=(60, 120, None)[seed % 3],
            is_killed=seed % 2 == 0,
            turns_in_a_row=(1, 30)[seed % 2],
        )
        met += move(case, Random(seed))  # noqa: S311 no secret

    assert met.keys() >= {
        *("put: refused", "put: answer lost", "hedged"),
        *("killed", "stopped", "checkpoint read"),
    }
