"""Compare the transfer with its peers and its limits; see docs/transfer.md.

python -m benchmarks run [SCENE ...]   plain, tls, network, network-long and processes:
                                       4 GiB (network-long 16), 5 rounds
python -m benchmarks 70b               132 GB in 30 files, and 4 GiB with the same settings
python -m benchmarks render            tables and pictures again from the results
"""

from __future__ import annotations

import argparse
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.fan_out_estimate import MODEL_BYTES
from benchmarks.http_wire import LOOPBACK, Network
from benchmarks.plot import draw_scene
from benchmarks.scenes import FAR, SCENES, Extent, run_scene
from benchmarks.stage import PROJECT, equal_sizes
from benchmarks.tables import fill_places, scene_note, scene_table

if TYPE_CHECKING:
    from benchmarks.results import Result

_MIB: Final = 1024 * 1024
_RESULTS: Final = PROJECT / "benchmarks/results"
_DOCUMENT: Final = PROJECT / "docs/transfer.md"
_COMPARED: Final = tuple(name for name in SCENES if name != "70b")


def main() -> int:
    """Return the exit code."""
    parser = _parser()
    arguments = parser.parse_args()
    # SIGTERM raises, so that servers are stopped and files deleted.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if arguments.command == "run":
        if unknown := set(arguments.scenes) - set(_COMPARED):
            parser.error(f"no scene {', '.join(unknown)}: there are {', '.join(_COMPARED)}")
        for name in arguments.scenes or _COMPARED:
            _measure(name, arguments)
    elif arguments.command == "70b":
        _measure("70b", arguments)
    if arguments.results == _RESULTS:
        text = _DOCUMENT.read_text(encoding="utf-8")
        _DOCUMENT.write_text(fill_places(text, _RESULTS), encoding="utf-8")
    return 0


def _measure(name: str, arguments: argparse.Namespace) -> None:
    scene = SCENES[name]
    if scene.network != LOOPBACK:
        scene = replace(scene, network=Network(arguments.latency_ms, arguments.connection_mbit))
    if arguments.tls:
        scene = replace(scene, tls=True)
    if arguments.ways:
        chosen = arguments.ways.split(",")
        scene = replace(scene, ways=tuple(way for way in scene.ways if way.name in chosen))
    sys.stderr.write(f"{name}: {', '.join(way.name for way in scene.ways)}\n")
    total_bytes = arguments.size_mib * _MIB * scene.size_factor
    small = Extent(equal_sizes(total_bytes, 4), arguments.rounds)
    result = run_scene(scene, small)
    if name == "70b":
        large = Extent(equal_sizes(arguments.model_bytes, arguments.files), 1)
        result = _with_small_runs(run_scene(scene, large), result)
    _write(result, arguments.results)


def _with_small_runs(large: Result, small: Result) -> Result:
    """Return the runs of the large model, and those of the small model under other names."""
    size = f"{small.runs[0].size_bytes / 1024**3:.2g} GiB"
    runs = tuple(replace(run, way=f"{run.way}_small") for run in small.runs)
    labels = {f"{way}_small": f"{label}, {size}" for way, label in small.labels.items()}
    verifying = tuple(f"{way}_small" for way in small.verifying)
    return replace(
        large,
        labels={**large.labels, **labels},
        verifying=(*large.verifying, *verifying),
        runs=(*large.runs, *runs),
    )


def _write(result: Result, folder: Path) -> None:
    path = result.write(folder)
    path.with_suffix(".svg").write_text(draw_scene(result), encoding="utf-8")
    sys.stdout.write(f"\n{scene_table(result)}\n{scene_note(result)}\n\nWritten to {path}\n\n")


def _parser() -> argparse.ArgumentParser:
    given = argparse.ArgumentParser(add_help=False)
    given.add_argument("--rounds", type=int, default=5)
    given.add_argument(
        "--size-mib",
        type=int,
        default=4096,
        help="in 4 files (default: 4096); network-long takes four times as much",
    )
    given.add_argument("--ways", help="only these ways, separated by commas")
    given.add_argument("--tls", action="store_true", help="the scene with TLS to the Hub and to S3")
    given.add_argument("--results", type=Path, default=_RESULTS, help="folder for JSON and SVG")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", parents=[given])
    run.add_argument("scenes", nargs="*", metavar="SCENE", help=", ".join(_COMPARED))
    run.add_argument("--latency-ms", type=float, default=FAR.latency_ms)
    run.add_argument("--connection-mbit", type=float, default=FAR.connection_mbit)
    large = commands.add_parser("70b", parents=[given])
    large.add_argument("--model-bytes", type=int, default=MODEL_BYTES)
    large.add_argument("--files", type=int, default=30)
    render = commands.add_parser("render")
    render.set_defaults(results=_RESULTS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
