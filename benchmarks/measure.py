"""Measures one command from start to end: wall clock, CPU time and memory of all its processes."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SAMPLE_SECONDS: Final = 0.05
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_PROC: Final = Path("/proc")


@dataclass(frozen=True, slots=True)
class Command:
    """A command to run; it inherits only PATH and HOME from this process's environment."""

    argv: tuple[str, ...]
    environ: Mapping[str, str]
    folder: Path


@dataclass(frozen=True, slots=True)
class Usage:
    """The cost of a command; memory is the highest sum over its processes in a sample."""

    wall_seconds: float
    cpu_seconds: float
    peak_rss_bytes: int


class CommandFailedError(Exception):
    """The exit code of a command was not 0."""

    def __init__(self, command: Command, exit_code: int, output: bytes) -> None:
        tail = output.decode(errors="replace")[-2000:]
        super().__init__(f"{' '.join(command.argv[:4])} … ended with {exit_code}:\n{tail}")


def run_measured(commands: Sequence[Command]) -> Usage:
    """Run commands concurrently to their ends; return their cost together.

    Raises:
        CommandFailedError: one of them failed.
    """
    started = time.perf_counter()
    processes = [_start(command) for command in commands]
    try:
        return _measure(commands, processes, started)
    finally:
        for process in processes:
            # If this was interrupted, kill the rest of the session.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _measure(
    commands: Sequence[Command], processes: Sequence[subprocess.Popen[bytes]], started: float
) -> Usage:
    sampler = _Sampler([process.pid for process in processes])
    sampler.start()
    outputs: list[bytes] = [b""] * len(processes)
    readers = [
        threading.Thread(target=_drain, args=(process, outputs, index))
        for index, process in enumerate(processes)
    ]
    for reader in readers:
        reader.start()
    cpu_seconds, exit_codes = 0.0, []
    for process in processes:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        exit_codes.append(process.returncode)
        cpu_seconds += usage.ru_utime + usage.ru_stime
    wall_seconds = time.perf_counter() - started
    sampler.stop()
    for reader in readers:
        reader.join()
    for command, exit_code, output in zip(commands, exit_codes, outputs, strict=True):
        if exit_code != 0:
            raise CommandFailedError(command, exit_code, output)
    return Usage(wall_seconds, cpu_seconds, sampler.peak_rss_bytes)


def _start(command: Command) -> subprocess.Popen[bytes]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    # Its own session identifies its processes.
    return subprocess.Popen(  # noqa: S603 the benchmark's own commands
        command.argv,
        cwd=command.folder,
        env={**inherited, **command.environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _drain(process: subprocess.Popen[bytes], outputs: list[bytes], index: int) -> None:
    if process.stdout is not None:
        with process.stdout as stream:
            outputs[index] = stream.read()


class _Sampler(threading.Thread):
    def __init__(self, sessions: Sequence[int]) -> None:
        super().__init__(daemon=True)
        self.peak_rss_bytes = 0
        self._sessions = frozenset(sessions)
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            self.peak_rss_bytes = max(self.peak_rss_bytes, _rss_bytes(self._sessions))

    def stop(self) -> None:
        self._ended.set()
        self.join()


def _rss_bytes(sessions: frozenset[int]) -> int:
    """Return the resident memory of all processes of some sessions."""
    rss_pages = 0
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            # Many processes have ended when they are read.
            with suppress(OSError):
                # Checked first, because to read every process takes a twentieth of the machine.
                if os.getsid(int(entry.name)) in sessions:
                    # https://man7.org/linux/man-pages/man5/proc_pid_statm.5.html: rss is the 2nd.
                    rss_pages += int((entry / "statm").read_text().split()[1])
    return rss_pages * _PAGE_BYTES
