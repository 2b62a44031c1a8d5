"""Estimates the time of a model on N transfer tasks, from the CPU cost measured over TLS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmarks.results import GIB

if TYPE_CHECKING:
    from benchmarks.results import Result

MODEL_BYTES: Final = 132_000_000_000
TASK_START_SECONDS: Final = 60
"""From RunTask to the program's first request: an assumption, not measured."""


@dataclass(frozen=True, slots=True)
class Task:
    """One transfer task: the limits of its network and its processor."""

    gigabits_per_second: float
    cpus: int
    connections: int
    connection_mbit: float


def forecast_seconds(size_bytes: int, tasks: int, task: Task, cpu_seconds_per_gib: float) -> float:
    """Return the seconds from start to end; the scarcest resource decides, bytes spread evenly."""
    share_bytes = size_bytes / tasks
    by_network = share_bytes * 8 / (task.gigabits_per_second * 1e9)
    by_processor = share_bytes / GIB * cpu_seconds_per_gib / task.cpus
    # Half of the connections read while the other half write.
    by_connections = share_bytes * 8 / (task.connections / 2 * task.connection_mbit * 1e6)
    return TASK_START_SECONDS + max(by_network, by_processor, by_connections)


def forecast_table(result: Result) -> str:
    """Return the forecast for 132 GB on 1 to 8 tasks, with the measured CPU cost and twice that."""
    measured = result.median("ours", "cpu_seconds_per_gib")
    columns = (
        "Tasks",
        f"10 Gbit/s, 4 vCPU, {measured:.2f} CPU s/GiB",
        "2.5 Gbit/s",
        "10 Gbit/s, twice the CPU",
    )
    rows = [f"| {' | '.join(columns)} |", "| ---: | ---: | ---: | ---: |"]
    fast, slow = Task(10, 4, 64, 200), Task(2.5, 4, 64, 200)
    for tasks in (1, 2, 4, 8):
        seconds = (
            forecast_seconds(MODEL_BYTES, tasks, fast, measured),
            forecast_seconds(MODEL_BYTES, tasks, slow, measured),
            forecast_seconds(MODEL_BYTES, tasks, fast, 2 * measured),
        )
        rows.append(f"| {tasks} | {' | '.join(f'{value:.0f} s' for value in seconds)} |")
    return "\n".join(rows) + "\n"
