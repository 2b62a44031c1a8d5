"""The measured results: every run of every way, with machine and versions."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import re
import ssl
import statistics
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

_PROJECT: Final = Path(__file__).parent.parent
GIB: Final = 1024**3


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one way."""

    round: int
    way: str
    size_bytes: int
    wall_seconds: float
    cpu_seconds: float
    peak_rss_bytes: int

    @property
    def gigabytes_per_second(self) -> float:
        """Return the rate, in 10^9 bytes."""
        return self.size_bytes / self.wall_seconds / 1e9

    @property
    def seconds_per_gib(self) -> float:
        """Return the wall clock."""
        return self.wall_seconds / self.size_bytes * GIB

    @property
    def cpu_seconds_per_gib(self) -> float:
        """Return the CPU time of all its processes."""
        return self.cpu_seconds / self.size_bytes * GIB


@dataclass(frozen=True, slots=True)
class Ratios:
    """The ratios of two ways over the rounds: the median and the range."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f}–{self.most:.2f})"


@dataclass(frozen=True, slots=True)
class Result:
    """The runs of one scene, and the data needed to judge them."""

    scene: str
    settings: dict[str, Any]
    machine: dict[str, str]
    versions: dict[str, dict[str, str]]
    """Versions of the relevant packages, by environment."""
    labels: dict[str, str]
    verifying: tuple[str, ...]
    skipped: dict[str, str]
    failures: dict[str, str]
    runs: tuple[Run, ...]

    def ways(self) -> list[str]:
        """Return the ways that ran, in order."""
        ran = {run.way for run in self.runs}
        return [way for way in self.labels if way in ran]

    def of(self, way: str) -> list[Run]:
        return [run for run in self.runs if run.way == way]

    def median(self, way: str, field: str) -> float:
        """Return the median of a figure over the runs of a way."""
        return statistics.median(float(getattr(run, field)) for run in self.of(way))

    def ratios(self, way: str, to: str, field: str) -> Ratios:
        """Return the ratio of a figure of `way` to that of `to`, round by round."""
        others = {run.round: float(getattr(run, field)) for run in self.of(to)}
        ratios = [
            float(getattr(run, field)) / others[run.round]
            for run in self.of(way)
            if run.round in others
        ]
        return Ratios(statistics.median(ratios), min(ratios), max(ratios))

    def write(self, folder: Path) -> Path:
        """Write the result as JSON; return its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.scene}.json"
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")
        return path

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote."""
        data = json.loads(path.read_text())
        runs = tuple(Run(**run) for run in data.pop("runs"))
        return cls(**{**data, "verifying": tuple(data["verifying"])}, runs=runs)


def describe_machine() -> dict[str, str]:
    """Return the properties of the machine that the figures depend on."""
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory_bytes / GIB:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION,
        "commit": _commit(),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    name = re.search(r"model name\s*: (.+)", text)
    instructions = sorted(set(re.findall(r"\b(?:sha_ni|vaes|vpclmulqdq|sha2|aes)\b", text)))
    return f"{name[1] if name else platform.machine()} ({', '.join(instructions)})"


def _commit() -> str:
    """Return the measured commit; "-dirty" says that code differs from it."""
    try:
        commit = _git("describe", "--always")
        changed = _git("status", "--porcelain", "--", "*.py", "uv.lock")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}-dirty" if changed else commit


def _git(*arguments: str) -> str:
    return subprocess.run(  # noqa: S603
        ["git", *arguments],  # noqa: S607
        cwd=_PROJECT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
