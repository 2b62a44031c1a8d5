"""Runs the tests repeatedly on a busy machine, to find tests that depend on the clock.

    python tools/busy_tests.py [--runs N] [--loops N] [-- ARGUMENTS OF PYTEST]

The exit code is 1 if a run failed. However the program ends, it leaves no endless loop running.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT: Final = Path(__file__).parents[1]
# The pipe closes when this process ends, even if it is killed, and the loop ends with the pipe.
_ENDLESS: Final = (
    "import sys, threading\n"
    "watch = threading.Thread(target=sys.stdin.read)\n"
    "watch.start()\n"
    "while watch.is_alive(): pass\n"
)


@contextmanager
def endless_loops(count: int) -> Iterator[None]:
    """Run `count` busy processes until the end of the block."""
    command = [sys.executable, "-I", "-c", _ENDLESS]
    loops: list[subprocess.Popen[bytes]] = []
    try:
        # Each has its own process group, so that Ctrl-C at the terminal does not reach it. All are
        # in the session of the tests: Linux first divides the processors among sessions.
        loops.extend(
            subprocess.Popen(command, stdin=subprocess.PIPE, process_group=0)  # noqa: S603
            for _ in range(count)
        )
        yield
    finally:
        for loop in loops:
            loop.kill()
        for loop in loops:
            loop.communicate()


def run_tests(arguments: list[str]) -> tuple[int, str]:
    """Run the tests; return their exit code and a line that tells a person how they ended."""
    command = [sys.executable, "-m", "pytest", *arguments] if arguments else ["make", "test"]
    started, used = time.monotonic(), _processor_seconds()
    code = _exit_code(command)
    wall, processor = time.monotonic() - started, _processor_seconds() - used
    end = f"{'failed' if code else 'passed'} with {code}"
    load = os.getloadavg()[0]
    return code, f"{end}, {processor:.0f} s of processors in {wall:.0f} s, load {load:.0f}"


def _exit_code(command: list[str]) -> int:
    # Its own process group, so that ending it ends all of its processes and not `make` alone.
    with subprocess.Popen(command, cwd=_ROOT, process_group=0) as tests:  # noqa: S603
        try:
            return tests.wait()
        except BaseException:
            os.killpg(tests.pid, signal.SIGTERM)
            raise


def _processor_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def _end(*_: object) -> None:
    sys.exit(128 + signal.SIGTERM)


def main() -> int:
    """Run the tests the requested number of times, then print how each run ended."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--loops", type=int, default=4)
    parser.add_argument("pytest", nargs="*", help="arguments of pytest, instead of `make test`")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGHUP, _end)
    has_failed = False
    ends: list[str] = []
    with endless_loops(given.loops):
        for number in range(1, given.runs + 1):
            code, end = run_tests(given.pytest)
            has_failed |= code != 0
            ends.append(f"run {number} {end}\n")
            sys.stdout.writelines(ends)
            sys.stdout.flush()
    return int(has_failed)


if __name__ == "__main__":
    sys.exit(main())
