"""The scenes in which ways are compared, and their runs, interleaved round by round."""

from __future__ import annotations

import random
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from benchmarks import ways
from benchmarks.content import POOL_PAGES
from benchmarks.environments import MissingProgramError, find_environment
from benchmarks.http_wire import LOOPBACK, Network
from benchmarks.measure import CommandFailedError, run_measured
from benchmarks.results import Result, Run, describe_machine
from benchmarks.stage import HASHES, StageSettings, WrongBytesError, set_stage
from benchmarks.ways import Concurrency, Job, Way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from benchmarks.environments import Environment
    from benchmarks.stage import Stage

_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Scene:
    """The ways to compare, and their stage."""

    name: str
    ways: tuple[Way, ...]
    concurrency: Concurrency
    tls: bool = False
    network: Network = LOOPBACK
    size_factor: int = 1
    """Multiple of the requested size."""


FEW_CONNECTIONS: Final = Concurrency(connections=4, part_bytes=16 * _MIB)
MANY_CONNECTIONS: Final = Concurrency(connections=64, part_bytes=8 * _MIB)
FAR: Final = Network(latency_ms=40, connection_mbit=200)
SCENES: Final = {
    scene.name: scene
    for scene in (
        Scene("plain", ways.ALL, FEW_CONNECTIONS),
        Scene("tls", ways.ALL, FEW_CONNECTIONS, tls=True),
        Scene(
            "network",
            (
                ways.OURS,
                ways.DISK_AWS,
                ways.DISK_CRT,
                ways.RCLONE,
                ways.RCLONE_TUNED,
                ways.OBSTORE_RANGES,
            ),
            MANY_CONNECTIONS,
            network=FAR,
        ),
        Scene(
            "network-long",
            (ways.OURS, ways.RCLONE_TUNED, ways.OBSTORE_RANGES),
            MANY_CONNECTIONS,
            network=FAR,
            size_factor=4,
        ),
        Scene("processes", ways.OWN, FEW_CONNECTIONS),
        Scene("70b", (ways.OURS, ways.FLOOR), FEW_CONNECTIONS),
    )
}


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is moved, and how often."""

    sizes: tuple[int, ...]
    rounds: int
    pool_pages: int = POOL_PAGES
    hashes: Path = HASHES
    """Folder that keeps the hashes of the files between runs."""


def run_scene(
    scene: Scene, extent: Extent, find: Callable[[str], Environment] = find_environment
) -> Result:
    """Run every way of a scene once per round, in a random order.

    A peer that fails is left out of its round, and the result records it. `find` returns an
    environment by its name.

    Raises:
        CommandFailedError: this transfer or the floor failed.
        WrongBytesError: one of them delivered other bytes than the source sent.
    """
    environments, skipped = _environments(scene.ways, find)
    able = [way for way in scene.ways if way.name not in skipped]
    failures: dict[str, str] = {}
    settings = StageSettings(
        extent.sizes, scene.network, scene.tls, extent.pool_pages, extent.hashes
    )
    with set_stage(settings) as stage:
        rounds = _Rounds(stage, scene.concurrency, environments, failures)
        runs = tuple(rounds.run(able, extent.rounds))
    return Result(
        scene=scene.name,
        settings={
            "sizes": list(extent.sizes),
            "rounds": extent.rounds,
            "tls": scene.tls,
            **asdict(scene.network),
            **asdict(scene.concurrency),
        },
        machine=describe_machine(),
        versions={name: dict(found.versions) for name, found in environments.items()},
        labels={way.name: way.label for way in able},
        verifying=tuple(way.name for way in able if way.verifies),
        skipped=skipped,
        failures=failures,
        runs=runs,
    )


@dataclass(frozen=True, slots=True)
class _Rounds:
    stage: Stage
    concurrency: Concurrency
    environments: dict[str, Environment]
    failures: dict[str, str]

    def run(self, able: Sequence[Way], rounds: int) -> Iterator[Run]:
        order = random.Random(0)  # noqa: S311 not used for security
        for number in range(1, rounds + 1):
            for way in order.sample(able, len(able)):
                try:
                    run = self._run_once(way, number)
                except (CommandFailedError, WrongBytesError) as error:
                    if way in (*ways.OWN, ways.FLOOR):
                        raise
                    self.failures[f"{way.name}, round {number}"] = str(error)
                    sys.stderr.write(f"  round {number}  {way.name} failed: {error}\n")
                else:
                    _tell(run)
                    yield run

    def _run_once(self, way: Way, number: int) -> Run:
        self.stage.clear()
        job = Job(self.stage, f"models/{way.name}/{number}/", self.concurrency, self.environments)
        usage = run_measured(way.commands(job))
        self.stage.check_received(job.prefix)
        return Run(number, way.name, self.stage.size_bytes, **asdict(usage))


def _tell(run: Run) -> None:
    sys.stderr.write(
        f"  round {run.round}  {run.way:22} {run.wall_seconds:8.2f} s  "
        f"{run.gigabytes_per_second:5.2f} GB/s  {run.cpu_seconds_per_gib:6.2f} CPU s/GiB  "
        f"{run.peak_rss_bytes / _MIB:6.0f} MiB\n"
    )


def _environments(
    wanted: Sequence[Way], find: Callable[[str], Environment]
) -> tuple[dict[str, Environment], dict[str, str]]:
    """Return the available environments, and the reasons why other ways cannot run."""
    environments: dict[str, Environment] = {}
    skipped: dict[str, str] = {}
    for way in wanted:
        for name in way.environments:
            try:
                environments[name] = find(name)
            except MissingProgramError as error:
                skipped[way.name] = str(error)
                sys.stderr.write(f"  {way.name} is skipped: {error}\n")
    return environments, skipped
