"""Measures preflight of a 70B model in 30 shards: time, bytes and memory of `model-import check`.

    make bench-preflight

The local Hub waits 50 ms before each answer. It runs in this process, and the command in another.
The time includes the command's start, and the memory is its peak.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.llama_70b_hub import REPO_ID, llama_70b_hub

_WITHIN: Final = {"seconds": 5.0, "read_mb": 8.0, "peak_mb": 300.0}


def main() -> None:
    """Print the figures as JSON; exit with 1 if one exceeds its limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.preflight", description=__doc__)
    parser.add_argument("--latency-ms", type=float, default=50)
    latency_seconds = parser.parse_args().latency_ms / 1000
    with (
        tempfile.TemporaryDirectory() as folder,
        llama_70b_hub(Path(folder), latency_seconds) as hub,
    ):
        seconds, usage, importable = _check(hub.endpoint)
        requests = hub.requests
    figures = {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "read_mb": round(sum(request.body_bytes for request in requests) / 1e6, 2),
        "peak_mb": round(usage.ru_maxrss * 1024 / 1e6),
        "requests": len(requests),
    }
    measured_on = {"cpus": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
    report = figures | measured_on | {"importable": importable, "within": _WITHIN}
    sys.stdout.write(json.dumps(report) + "\n")
    missed = [name for name, limit in _WITHIN.items() if figures[name] >= limit]
    sys.exit(f"not within the limit: {', '.join(missed)}" if missed or not importable else 0)


def _check(endpoint: str) -> tuple[float, resource.struct_rusage, bool]:
    """Return the seconds that the command took, its resource usage, and its verdict."""
    command = [sys.executable, "-m", "cli", "check", REPO_ID, "--hub", endpoint, "--json"]
    started = time.monotonic()
    ended = subprocess.run(command, stdout=subprocess.PIPE, check=False)  # noqa: S603 – this project's
    seconds = time.monotonic() - started
    report = json.loads(ended.stdout)
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN), bool(report["importable"])


if __name__ == "__main__":
    main()
