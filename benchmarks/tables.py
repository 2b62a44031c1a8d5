"""Formats results as Markdown, and inserts them into docs/transfer.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from benchmarks.fan_out_estimate import forecast_table
from benchmarks.results import Result

if TYPE_CHECKING:
    from pathlib import Path

_MIB: Final = 1024 * 1024
_PLACE: Final = re.compile(r"(<!-- bench: (\S+) -->\n).*?(<!-- /bench -->)", re.DOTALL)


def fill_places(text: str, results: Path) -> str:
    """Return a document with the results inserted between its marks."""

    def fill(place: re.Match[str]) -> str:
        return f"{place[1]}\n{_content(place[2], results)}\n{place[3]}"

    return _PLACE.sub(fill, text)


def _content(name: str, results: Path) -> str:
    path = results / f"{'tls' if name == 'forecast' else name}.json"
    if not path.exists():
        return "Not measured yet.\n"
    result = Result.read(path)
    if name == "forecast":
        return forecast_table(result)
    return f"{scene_table(result)}\n{scene_note(result)}\n"


def scene_table(result: Result) -> str:
    """Return the medians of a scene, and each way's ratio to ours, round by round."""
    base = "ours"
    rows = [
        "| | GB/s | CPU s/GiB | Peak RSS, MiB | Compares SHA-256 | Wall ÷ ours | CPU ÷ ours |",
        "| --- | ---: | ---: | ---: | --- | ---: | ---: |",
    ]
    for way in result.ways():
        cells = [
            result.labels[way],
            f"{result.median(way, 'gigabytes_per_second'):.2f}",
            f"{result.median(way, 'cpu_seconds_per_gib'):.2f}",
            f"{result.median(way, 'peak_rss_bytes') / _MIB:.0f}",
            "yes" if way in result.verifying else "no",
            "" if way == base else str(result.ratios(way, base, "seconds_per_gib")),
            "" if way == base else str(result.ratios(way, base, "cpu_seconds_per_gib")),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def scene_note(result: Result) -> str:
    """Return the conditions of a measurement: sizes, network, machine and versions."""
    settings, machine = result.settings, result.machine
    sizes = settings["sizes"]
    amount = f"{sum(sizes) / 1e9:.1f} GB in {len(sizes)} files"
    rounds = f"{settings['rounds']} rounds" if settings["rounds"] > 1 else "one round"
    network = (
        f", {settings['latency_ms']:g} ms and {settings['connection_mbit']:g} Mbit/s a connection"
        if settings["latency_ms"] or settings["connection_mbit"]
        else ""
    )
    way = "TLS" if settings["tls"] else "plain HTTP"
    moved = (
        f"{amount}, {way} on loopback{network}, {settings['connections']} connections of "
        f"{settings['part_bytes'] // _MIB} MiB, {rounds}, {machine['date']}, {machine['commit']}"
    )
    on = (
        f"{machine['cores']} cores of {machine['processor']}, {machine['memory']}, "
        f"{machine['kernel']}, Python {machine['python']}, {machine['openssl']}"
    )
    lines = [f"{moved}; {on}."]
    if result.versions:
        versions = (
            f"{name} has {', '.join(f'{package} {found[package]}' for package in found)}"
            for name, found in result.versions.items()
        )
        lines.append(f"Of the environments, {'; '.join(versions)}.")
    for title, reasons in (("Not run", result.skipped), ("Failed", result.failures)):
        lines.extend(f"{title}: {name} ({reason})." for name, reason in reasons.items())
    return "\n".join(lines)
