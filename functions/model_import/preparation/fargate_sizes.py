"""The CPU, memory and connections of a transfer task, by the rules of fargate_sizes.toml."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from model_import.staging.part_sizes import MIB, spare_buffers

_UNITS_PER_VCPU: Final = 1024
_SHARE_OF_MEMORY: Final = 0.5
"""For part buffers; the interpreter, the connections and the kernel need the rest."""


@dataclass(frozen=True, slots=True)
class TaskSize:
    """A size that Fargate offers, and how many connections the task may use."""

    cpu_units: int
    memory_mib: int
    connections: int


def task_size(slice_bytes: int, longest_part_bytes: int, *, cpu_units_at_most: int) -> TaskSize:
    """Return the task size for a slice, with at most `cpu_units_at_most`.

    The part buffers, one per connection and the spare ones, fit in half of the memory.
    """
    rules = _rules()["slices"]
    needed = next(row["cpu_units"] for row in rules["bytes_below"] if slice_bytes < row["bytes"])
    cpu_units = min(needed, cpu_units_at_most)
    memory_mib = _memory_by_cpu()[cpu_units].start
    wanted = rules["connections_per_vcpu"] * cpu_units // _UNITS_PER_VCPU
    buffers = int(memory_mib * MIB * _SHARE_OF_MEMORY) // max(longest_part_bytes, 1)
    fitting = (n for n in range(1, wanted + 1) if n + spare_buffers(n) <= buffers)
    connections = max(fitting, default=1)
    return TaskSize(cpu_units, memory_mib, connections)


def is_fargate_size(cpu_units: int, memory_mib: int) -> bool:
    """Return whether Fargate accepts a task with this CPU and memory."""
    return memory_mib in _memory_by_cpu().get(cpu_units, range(0))


def _memory_by_cpu() -> dict[int, range]:
    memories = {pair["cpu_units"]: pair["memory_mib"] for pair in _rules()["pairs"]}
    return {
        cpu_units: range(memory["at_least"], memory["at_most"] + 1, memory["step"])
        for cpu_units, memory in memories.items()
    }


@functools.cache
def _rules() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
