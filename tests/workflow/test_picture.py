"""The pictures show what the definitions say, legibly, on light and on dark pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain, combinations
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from tools import draw_architecture, draw_state_machine
from tools.diagram import Diagram, Edge, Node, draw

if TYPE_CHECKING:
    from pathlib import Path

ROOT = draw_state_machine.ROOT
SVG = "{http://www.w3.org/2000/svg}"
PAGE_WIDTH = 900
# Advance widths of Arial in thousandths of its size; what is not here is a digit or as wide.
ARIAL = {
    **dict.fromkeys("ijl'|", 222),
    **dict.fromkeys("ftI .,:;/[]!", 278),
    **dict.fromkeys("r()-", 333),
    **dict.fromkeys("ckvsxyzJ", 500),
    **dict.fromkeys("FTZ", 611),
    **dict.fromkeys("ABEKPSVXY", 667),
    **dict.fromkeys("wCDHNRU", 722),
    **dict.fromkeys("GOQ", 778),
    **dict.fromkeys("mM", 833),
    "W": 944,
}
DIGIT = 556

each_machine = pytest.mark.parametrize(
    "definition", draw_state_machine.PICTURES, ids=lambda path: path.name
)
each_picture = pytest.mark.parametrize(
    "path",
    [*draw_state_machine.PICTURES.values(), draw_architecture.PICTURE],
    ids=lambda path: path.name,
)


@dataclass(frozen=True)
class Area:
    """A box, a text or a cross on the page."""

    name: str
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Area) -> bool:
        beside = self.right <= other.left or other.right <= self.left
        return not (beside or self.bottom <= other.top or other.bottom <= self.top)

    def holds(self, other: Area) -> bool:
        across = self.left <= other.left and other.right <= self.right
        return across and self.top <= other.top and other.bottom <= self.bottom


@dataclass(frozen=True)
class Box:
    """A box with its texts, its cross, and the boxes inside it."""

    area: Area
    kind: str
    texts: list[Area]
    crosses: list[Area]
    inner: list[Box]

    def room_at(self, text: Area) -> Area:
        """Return what there is for a text: a hexagon is narrower away from its middle."""
        if self.kind != "choice":
            return self.area
        middle = (self.area.top + self.area.bottom) / 2
        away = max(abs(text.top - middle), abs(text.bottom - middle))
        slope = (self.area.right - self.area.left) / 4 / (self.area.bottom - middle)
        inset = away * slope
        return Area("", self.area.left + inset, text.top, self.area.right - inset, text.bottom)


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 – drawn by this project


def origin(group: ET.Element, x: float, y: float) -> tuple[float, float]:
    across, down = re.findall(r"-?\d+", group.get("transform", "")) or (0, 0)
    return x + float(across), y + float(down)


def boxes_in(element: ET.Element, x: float = 0, y: float = 0) -> list[Box]:
    found = []
    for group in element.findall(f"{SVG}g"):
        kinds, place = group.get("class", "").split(), origin(group, x, y)
        if kinds[:1] == ["box"]:
            found.append(box(group, kinds[1], *place))
        elif not kinds:
            found += boxes_in(group, *place)
    return found


def box(group: ET.Element, kind: str, x: float, y: float) -> Box:
    texts = [text_area(text, x, y) for text in group.findall(f"{SVG}text")]
    shape = group.find(f"{SVG}rect")
    if shape is None:
        shape = group.find(f"{SVG}polygon")
        assert shape is not None
        numbers = [float(number) for number in re.findall(r"-?\d+", shape.get("points", ""))]
        left, top, right, bottom = *map(min, halves(numbers)), *map(max, halves(numbers))
    else:
        left, top = float(shape.get("x", 0)), float(shape.get("y", 0))
        right, bottom = left + float(shape.get("width", 0)), top + float(shape.get("height", 0))
    area = Area(texts[0].name, x + left, y + top, x + right, y + bottom)
    return Box(area, kind, texts, crosses_in(group, x, y), boxes_in(group, x, y))


def halves(numbers: list[float]) -> tuple[list[float], list[float]]:
    return numbers[::2], numbers[1::2]


def crosses_in(group: ET.Element, x: float, y: float) -> list[Area]:
    places = [origin(cross, x, y) for cross in group.findall(f"{SVG}g[@class='cross']")]
    return [Area("cross", across - 7, down - 7, across + 7, down + 7) for across, down in places]


def text_area(text: ET.Element, x: float, y: float) -> Area:
    written, size = text.text or "", 14 if text.get("class") == "name" else 12
    half = sum(ARIAL.get(character, DIGIT) for character in written) * size / 2000
    baseline = y + float(text.get("y", 0))
    return Area(written, x - half, baseline - 0.72 * size, x + half, baseline + 0.21 * size)


def labels_in(root: ET.Element) -> list[Area]:
    return [
        text_area(text, *origin(group, 0, 0))
        for group in root.findall(f"{SVG}g[@class='label']")
        for text in group.findall(f"{SVG}text")
    ]


def flat(boxes: list[Box]) -> list[Box]:
    return [found for box in boxes for found in (box, *flat(box.inner))]


def overlapping(boxes: list[Box]) -> list[tuple[str, str]]:
    """Return the names of boxes that overlap, or that lie outside of the box that they are in."""
    pairs = [(a.area, b.area) for a, b in combinations(boxes, 2) if a.area.overlaps(b.area)]
    for outer in boxes:
        inside = [found.area for found in outer.inner]
        pairs += [(outer.area, area) for area in inside if not outer.area.holds(area)]
        pairs += [(a, b) for a in inside for b in (*outer.texts, *outer.crosses) if a.overlaps(b)]
    names = [(a.name, b.name) for a, b in pairs]
    return names + [pair for outer in boxes for pair in overlapping(outer.inner)]


def load(path: Path) -> dict[str, Any]:
    definition: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return definition


def all_states(machine: dict[str, Any]) -> dict[str, Any]:
    inner = [m for s in machine["States"].values() for m in draw_state_machine.inner_machines(s)]
    states: dict[str, Any] = machine["States"]
    return states | {name: state for m in inner for name, state in all_states(m).items()}


@each_machine
def test_the_picture_of_a_machine_is_the_one_that_the_script_draws(definition: Path) -> None:
    committed = draw_state_machine.PICTURES[definition].read_text(encoding="utf-8")

    assert committed == draw_state_machine.picture(definition), "run: make generate"


def test_the_picture_of_the_architecture_is_the_one_that_the_script_draws() -> None:
    committed = draw_architecture.PICTURE.read_text(encoding="utf-8")

    assert committed == draw_architecture.picture(), "run: make generate"


@each_machine
def test_every_state_is_in_the_picture_once(definition: Path) -> None:
    svg = draw_state_machine.PICTURES[definition].read_text(encoding="utf-8")
    names = [found.area.name for found in flat(boxes_in(parsed(svg)))]

    assert sorted(names) == sorted(all_states(load(definition)))


@each_machine
def test_every_arrow_of_a_choice_is_labelled(definition: Path) -> None:
    states = load(definition)["States"]
    choices = {name for name, state in states.items() if state["Type"] == "Choice"}
    drawn = draw_state_machine.diagram(load(definition))

    from_choices = [edge for edge in drawn.edges if edge.source in choices]
    assert {edge.source for edge in from_choices} == choices
    assert [(edge.source, edge.target) for edge in from_choices if not edge.label] == []


@each_machine
def test_every_state_that_can_fail_says_so(definition: Path) -> None:
    states = load(definition)["States"]
    failures = draw_state_machine.failure_path(states)
    failing = {
        name
        for name, state in states.items()
        if name not in failures
        and any(edge.target in failures for edge in draw_state_machine.edges_from(name, state))
    }
    svg = draw_state_machine.PICTURES[definition].read_text(encoding="utf-8")

    crossed = {found.area.name for found in boxes_in(parsed(svg)) if found.crosses}
    assert crossed == failing
    red = {"failing", "bad"}
    assert {b.area.name for b in boxes_in(parsed(svg)) if b.kind in red} == {*failures}


@each_picture
def test_no_two_boxes_overlap(path: Path) -> None:
    boxes = boxes_in(parsed(path.read_text(encoding="utf-8")))

    assert boxes
    assert overlapping(boxes) == []


def test_boxes_on_top_of_each_other_are_found() -> None:
    apart = draw(Diagram((Node("A", "task"), Node("B", "task")), (Edge("A", "B"),)), "")
    (below,) = {y for _, y in re.findall(r"translate\((\d+) (\d+)\)", apart)} - {"22"}

    assert overlapping(boxes_in(parsed(apart))) == []
    assert overlapping(boxes_in(parsed(apart.replace(f" {below})", " 40)")))) == [("A", "B")]


@each_picture
def test_every_text_fits_in_its_box(path: Path) -> None:
    boxes = flat(boxes_in(parsed(path.read_text(encoding="utf-8"))))

    texts = [(found, text) for found in boxes for text in (*found.texts, *found.crosses)]
    assert [text.name for found, text in texts if not found.room_at(text).holds(text)] == []
    struck = [(b.texts, b.crosses[0]) for b in boxes if b.crosses]
    assert [t.name for texts, cross in struck for t in texts if t.overlaps(cross)] == []


@each_picture
def test_no_label_lies_on_a_box_or_on_another_label(path: Path) -> None:
    root = parsed(path.read_text(encoding="utf-8"))
    labels, boxes = labels_in(root), boxes_in(root)

    assert [label.name for label in labels if any(label.overlaps(b.area) for b in boxes)] == []
    assert [(a.name, b.name) for a, b in combinations(labels, 2) if a.overlaps(b)] == []


@each_picture
def test_nothing_is_cut_off(path: Path) -> None:
    root = parsed(path.read_text(encoding="utf-8"))
    left, top, width, height = (float(n) for n in root.get("viewBox", "").split())
    page = Area("page", left, top, left + width, top + height)

    shown = [*(found.area for found in boxes_in(root)), *labels_in(root)]
    assert [area.name for area in shown if not page.holds(area)] == []


@each_picture
def test_the_smallest_text_is_legible_on_a_page(path: Path) -> None:
    svg = path.read_text(encoding="utf-8")
    sizes = [float(size) for size in re.findall(r"font(?:-size)?: (\d+)px", svg)]

    assert min(sizes) * min(1, PAGE_WIDTH / float(parsed(svg).get("width", 0))) >= 11


@each_picture
def test_both_colour_schemes_have_every_colour_and_enough_contrast(path: Path) -> None:
    style = path.read_text(encoding="utf-8").split("<style>")[1].split("</style>")[0]
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    schemes = [dict(re.findall(r"--([\w-]+): (#\w{6})", part)) for part in (light, dark)]

    used = {*re.findall(r"var\(--([\w-]+)\)", path.read_text(encoding="utf-8"))}
    assert {*schemes[0]} == {*schemes[1]} >= used
    assert len(re.findall("#[0-9a-f]{6}", style)) == len(schemes[0]) + len(schemes[1])
    for colours in schemes:
        for fill in ("page", "task", "choice", "wait", "good", "bad", "group"):
            assert contrast(colours["ink"], colours[fill]) >= 7, fill
            assert contrast(colours["soft"], colours[fill]) >= 4.5, fill


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG defines it."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(p * weight for p, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


@pytest.fixture
def machine() -> dict[str, Any]:
    return load(next(iter(draw_state_machine.PICTURES)))


def test_a_state_that_is_added_is_drawn(machine: dict[str, Any]) -> None:
    machine["States"]["Smoke Test"]["Next"] = "Register Model"
    machine["States"]["Register Model"] = {"Type": "Pass", "Next": "Publish Success"}

    boxes = boxes_in(parsed(draw(draw_state_machine.diagram(machine), "")))
    assert "Register Model" in {found.area.name for found in boxes}
    assert overlapping(boxes) == []


def test_the_states_of_a_parallel_are_drawn_inside_it(machine: dict[str, Any]) -> None:
    branches = [
        {"StartAt": name, "States": {name: {"Type": "Pass", "End": True}}} for name in ("P", "Q")
    ]
    machine["States"]["Smoke Test"] |= {"Type": "Parallel", "Branches": branches}

    boxes = boxes_in(parsed(draw(draw_state_machine.diagram(machine), "")))
    (parallel,) = [found for found in boxes if found.area.name == "Smoke Test"]
    assert {found.area.name for found in parallel.inner} == {"P", "Q"}
    assert overlapping(boxes) == []


def architecture() -> list[str]:
    """Return all that is written in the boxes of the architecture, its caption left out."""
    boxes = boxes_in(parsed(draw_architecture.PICTURE.read_text(encoding="utf-8")))
    return [text.name for found in boxes if found.kind != "caption" for text in found.texts]


def test_the_architecture_names_folders_that_there_are() -> None:
    named = {*re.findall(r"(\S+)/(?=\s|$)", "\n".join(architecture()))}
    package = ROOT / "functions/model_import"

    assert {"preflight", "sources/hub", "transfer"} <= named
    assert [room for room in sorted(named) if not (package / room).is_dir()] == []


def test_the_architecture_names_states_that_there_are() -> None:
    table = draw_architecture.load_table()
    steps = table["steps"]
    named = [*chain.from_iterable(step["states"] for step in steps)]
    named += [step["failure"]["state"] for step in steps if "failure" in step]

    assert {*named} <= {*load(draw_architecture.DEFINITION)["States"]}
    assert [name for name in named if name not in ", ".join(architecture())] == []


def test_the_steps_of_the_architecture_follow_each_other_in_the_machine() -> None:
    path = draw_state_machine.main_path(load(draw_architecture.DEFINITION))
    named = [name for step in draw_architecture.load_table()["steps"] for name in step["states"]]

    assert named == [name for name in path if name in named]
