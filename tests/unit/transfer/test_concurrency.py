"""How many connections a transfer uses, against models of a network and without waiting for one."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from hypothesis import given, strategies as st
from support.waiting import HANG_SECONDS

from model_import.transfer.concurrency import ConcurrencyController, Sample, WorkerGate

MB = 1_000_000
CORES = 2


@dataclass
class Network:
    """Brings `each` bytes a second over every connection, `at_most` in all, by CPU on the way."""

    each: float
    at_most: float
    cpu_seconds_per_gb: float = 0
    throttles_above: int = 10_000
    noise: float = 0

    def run(self, controller: ConcurrencyController, seconds: int, seed: int = 0) -> list[int]:
        """Return the number of connections in each second."""
        dice = random.Random(seed)  # noqa: S311 no secret
        limits = [controller.observe(Sample(0, 0, 0, 0))]
        moved = cpu = 0.0
        throttlings = 0
        for second in range(1, seconds + 1):
            rate = min(self.each * limits[-1], self.at_most)
            rate *= 1 + dice.uniform(-self.noise, self.noise)
            if self.cpu_seconds_per_gb:
                rate = min(rate, CORES * 1000 * MB / self.cpu_seconds_per_gb)
            moved += rate
            cpu += rate * self.cpu_seconds_per_gb / (1000 * MB)
            throttlings += limits[-1] > self.throttles_above
            limits.append(controller.observe(Sample(second, int(moved), cpu, throttlings)))
        return limits


def controller(at_start: int = 8, at_most: int = 64) -> ConcurrencyController:
    return ConcurrencyController(at_start=at_start, at_most=at_most, cores=CORES)


def test_it_begins_modestly_and_is_at_the_cap_in_seconds_where_connections_decide() -> None:
    limits = Network(each=20 * MB, at_most=10_000 * MB).run(controller(), 10)

    assert limits[0] == 8
    assert limits[5] == 64
    assert max(limits) == 64


def test_it_stays_near_the_least_number_that_fills_the_line() -> None:
    limits = Network(each=50 * MB, at_most=800 * MB).run(controller(), 120)

    assert all(16 <= limit <= 32 for limit in limits[10:])
    assert sorted(limits[10:])[55] <= 18


def test_it_grows_no_more_when_the_cores_are_busy() -> None:
    limits = Network(each=100 * MB, at_most=10_000 * MB, cpu_seconds_per_gb=1.25).run(
        controller(), 120
    )

    assert limits[0] == 8
    assert max(limits) <= 32
    assert sorted(limits[10:])[55] <= 18


def test_it_halves_once_a_step_when_it_is_throttled_and_comes_back_later() -> None:
    limits = Network(each=20 * MB, at_most=10_000 * MB, throttles_above=24).run(controller(), 300)

    assert limits[:5] == [8, 16, 32, 16, 16]
    assert max(limits[5:]) <= 28
    assert all(later >= 10 for later in limits[60:])


def test_a_line_that_gets_faster_is_found_out() -> None:
    adaptive = controller()
    Network(each=50 * MB, at_most=400 * MB).run(adaptive, 30)
    adaptive._last = None

    limits = Network(each=50 * MB, at_most=10_000 * MB).run(adaptive, 600)

    assert limits[-1] >= 32


@given(
    at_start=st.integers(1, 300),
    at_most=st.integers(1, 256),
    each=st.floats(1, 100 * MB),
    line=st.floats(1, 5_000 * MB),
    throttles_above=st.integers(0, 300),
)
def test_the_number_is_between_one_and_the_cap_whatever_happens(
    at_start: int, at_most: int, each: float, line: float, throttles_above: int
) -> None:
    network = Network(each, line, throttles_above=throttles_above)

    limits = network.run(controller(at_start, at_most), 60)

    assert all(1 <= limit <= at_most for limit in limits)


def test_a_line_that_wavers_by_a_fifth_keeps_it_from_the_cap_for_a_minute_at_most() -> None:
    network = Network(each=20 * MB, at_most=10_000 * MB, noise=0.2)

    ends = [network.run(controller(), 60, seed)[-1] for seed in range(50)]

    assert sorted(ends)[5] >= 48


def test_it_does_not_grow_before_there_is_anything_to_judge_by() -> None:
    assert Network(each=0, at_most=0).run(controller(), 60)[-1] == 8


def test_a_sample_too_soon_after_the_last_decides_nothing() -> None:
    adaptive = controller()
    adaptive.observe(Sample(0, 0, 0, 0))

    assert adaptive.observe(Sample(0.4, 10**12, 0, 5)) == 8


def test_the_gate_lets_as_many_work_as_it_is_told() -> None:
    gate = WorkerGate(1)
    assert gate.enter()

    with ThreadPoolExecutor() as threads:
        second = threads.submit(gate.enter)
        third = threads.submit(gate.enter)
        assert not second.done()
        gate.leave()
        gate.open_to(2)
        assert second.result(HANG_SECONDS)
        assert third.result(HANG_SECONDS)


def test_a_closed_gate_holds_nobody() -> None:
    gate = WorkerGate(0)

    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(gate.enter)
        gate.close()
        assert waiting.result(HANG_SECONDS) is False
