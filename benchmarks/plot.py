"""Draws a scene: three figures of every way, with a dot per run and a bar for the median."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.results import Result, Run

_LABEL_WIDTH: Final = 330
_PANEL_WIDTH: Final = 210
_GAP: Final = 40
_ROW_HEIGHT: Final = 26
_TOP: Final = 58
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Panel:
    title: str
    field: str
    scale: float
    text: str

    def value(self, run: Run) -> float:
        return float(getattr(run, self.field)) * self.scale


_PANELS: Final = (
    _Panel("GB/s (more is better)", "gigabytes_per_second", 1, "{:.2f}"),
    _Panel("CPU s/GiB (less is better)", "cpu_seconds_per_gib", 1, "{:.2f}"),
    _Panel("Peak RSS, MiB", "peak_rss_bytes", 1 / _MIB, "{:.0f}"),
)


def draw_scene(result: Result) -> str:
    """Return an SVG."""
    ways = result.ways()
    width = _LABEL_WIDTH + len(_PANELS) * (_PANEL_WIDTH + _GAP)
    height = _TOP + len(ways) * _ROW_HEIGHT + 14
    machine = result.machine
    title = (
        f"{result.scene}: {sum(result.settings['sizes']) / 1e9:.1f} GB, {machine['cores']} cores "
        f"shared with source and sink, {machine['date']}"
    )
    font = 'font-family="system-ui, sans-serif" font-size="13"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {font}>',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="12" y="22" font-weight="600">{escape(title)}</text>',
    ]
    for row, way in enumerate(ways):
        weight = ' font-weight="600"' if way == "ours" else ""
        label = result.labels[way].replace("*", "").replace("`", "")
        lines.append(
            f'<text x="{_LABEL_WIDTH - 12}" y="{_row(row) + 17}" text-anchor="end"{weight}>'
            f"{escape(label)}</text>"
        )
    for index, panel in enumerate(_PANELS):
        lines.extend(_draw_panel(result, panel, _LABEL_WIDTH + index * (_PANEL_WIDTH + _GAP)))
    return "\n".join([*lines, "</svg>", ""])


def _draw_panel(result: Result, panel: _Panel, left: int) -> Iterator[str]:
    yield f'<text x="{left}" y="{_TOP - 10}" fill="#555">{panel.title}</text>'
    most = max(panel.value(run) for run in result.runs)

    def x(value: float) -> float:
        return left + value / most * (_PANEL_WIDTH - 34)

    for row, way in enumerate(result.ways()):
        yield from _draw_row(result, panel, way, x, row)


def _draw_row(
    result: Result, panel: _Panel, way: str, x: Callable[[float], float], row: int
) -> Iterator[str]:
    median = result.median(way, panel.field) * panel.scale
    colour = {"ours": "#0b6e4f", "floor": "#9aa0a6"}.get(way, "#8fb8de")
    top = _row(row)
    yield (
        f'<rect x="{x(0):.1f}" y="{top + 4}" width="{x(median) - x(0):.1f}" '
        f'height="{_ROW_HEIGHT - 8}" fill="{colour}"/>'
    )
    for run in result.of(way):
        yield (
            f'<circle cx="{x(panel.value(run)):.1f}" cy="{top + _ROW_HEIGHT / 2}" r="2" '
            'fill="#222" fill-opacity="0.6"/>'
        )
    farthest = max(panel.value(run) for run in result.of(way))
    yield (
        f'<text x="{x(farthest) + 6:.1f}" y="{top + 17}" font-size="12">'
        f"{panel.text.format(median)}</text>"
    )


def _row(row: int) -> int:
    return _TOP + row * _ROW_HEIGHT
