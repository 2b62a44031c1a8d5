"""Draws docs/state_machine.svg and docs/model_release.svg from the definitions of the machines.

The path of an execution that succeeds runs down the first column. A state off that path is one
column to the right of the state that first leads to it. States that can only end in failure are at
the end of the last column, and all transitions to them join one light line.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from textwrap import wrap
from typing import Any, Final

import yaml

from tools.diagram import Edge, Node, draw

ROOT: Final = Path(__file__).parents[1]
PICTURES: Final = {
    ROOT / "statemachine/model_import.asl.yaml": ROOT / "docs/state_machine.svg",
    ROOT / "statemachine/model_release.asl.yaml": ROOT / "docs/model_release.svg",
}
STYLES: Final = {
    "Choice": "choice",
    "Wait": "wait",
    "Pass": "pass",
    "Succeed": "good",
    "Fail": "bad",
    "Map": "group",
    "Parallel": "group",
}
MOST_FAILURE_ARROWS: Final = 2
MAIN_WIDTH: Final = 226
LABEL_LENGTH: Final = 14
# What a condition compares with: "text" or /pattern/.
LITERAL: Final = re.compile(r'= "([^"]*)"|/([^/]*)/')
IS_NULL: Final = re.compile(r"(\w+) (!?)= null")
ITEMS: Final = re.compile(r"\$(\w+)")

type State = dict[str, Any]

MARGIN: Final = 24
LOOP_WIDTH: Final = 30
# Left of the loops is space for lines that skip states on the way down.
SKIP_WIDTH: Final = 16
BOX_WIDTH: Final = 204
BOX_HEIGHT: Final = 42
ROW_GAP: Final = 24
COLUMN_GAP: Final = 76
BUS_OFFSET: Final = 26
INNER_PITCH: Final = BOX_HEIGHT + 16
# Where lines meet the side of a box: returning lines above its centre, failures below.
SIDE_STEP: Final = 12


def picture(definition: Path) -> str:
    """Return the SVG of a state machine."""
    machine = yaml.safe_load(definition.read_text(encoding="utf-8"))
    return draw(diagram(machine), machine["Comment"])


@dataclass(frozen=True, slots=True)
class Box:
    """A state and its place: centre, size, row and column."""

    name: str
    state: State
    column: int
    row: int
    x: float
    y: float
    height: float = BOX_HEIGHT
    width: float = BOX_WIDTH

    @property
    def left(self) -> float:
        """Return the x of its left side."""
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        """Return the x of its right side."""
        return self.x + self.width / 2

    @property
    def top(self) -> float:
        """Return the y of its top."""
        return self.y - self.height / 2

    @property
    def bottom(self) -> float:
        """Return the y of its bottom."""
        return self.y + self.height / 2


def next_states(state: State) -> list[str]:
    """Return the states that follow without an error, a Choice's first rule first."""
    rules = [*state.get("Choices", []), state, {"Next": state.get("Default")}]
    return list(dict.fromkeys(rule["Next"] for rule in rules if rule.get("Next")))


def caught_states(state: State) -> list[str]:
    """Return the states that the Catch rules of a state name."""
    return list(dict.fromkeys(catcher["Next"] for catcher in state.get("Catch", [])))


def main_path(machine: State) -> list[str]:
    """Return the states of an execution that succeeds, in order."""
    path = [machine["StartAt"]]
    while (rules := _rules(machine["States"][path[-1]])) and rules[0]["Next"] not in path:
        path.append(rules[0]["Next"])
    return path


def failure_path(states: dict[str, State]) -> list[str]:
    """Return the states that cannot reach a success, in the order of the definition."""
    succeeding = {name for name, state in states.items() if state["Type"] == "Succeed"}
    while more := {
        name
        for name, state in states.items()
        if name not in hopeful and any(edge.target in hopeful for edge in edges_from(name, state))
    }:
        hopeful |= more
    return [name for name in states if name not in hopeful]


def inner_machines(state: State) -> list[State]:
    """Return the machines that run inside a Map or a Parallel."""
    return [state["ItemProcessor"]] if "ItemProcessor" in state else state.get("Branches", [])


def boxes(machine: State) -> dict[str, Box]:
    """Return every state with its place; a row is as high as its highest state."""
    placed = cells(machine)
    heights = {name: _height(machine["States"][name]) for name in placed}
    rows = 1 + max(row for _, row in placed.values())
    row_heights = [0.0] * rows
    for name, (_, row) in placed.items():
        row_heights[row] = max(row_heights[row], heights[name])
    result = {}
    for name, (column, row) in placed.items():
        above = sum(row_heights[:row]) + ROW_GAP * row
        x = MARGIN + SKIP_WIDTH + LOOP_WIDTH + BOX_WIDTH / 2 + column * (BOX_WIDTH + COLUMN_GAP)
        y = MARGIN + above + row_heights[row] / 2
        result[name] = Box(name, machine["States"][name], column, row, x, y, heights[name])
    return result


def _height(state: State) -> float:
    return BOX_HEIGHT + len(_inner_states(state)) * INNER_PITCH


def draw(machine: State) -> str:
    """Return the picture as SVG."""
    placed = boxes(machine)
    failures = failure_path(machine["States"])
    width = max(box.right for box in placed.values()) + LOOP_WIDTH + MARGIN
    height = max(box.bottom for box in placed.values()) + MARGIN
    size = f'width="{width:g}" height="{height:g}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" {size}>',
        f"<title>{escape(machine['Comment'])}</title>",
        f"<style>{STYLE}</style>",
        f"<defs>{_arrow('arrow', '#46525f')}{_arrow('failure-arrow', '#d59a9a')}</defs>",
        f'<rect {size} rx="10" fill="#fdfdfc"/>',
        *_failure_lines(placed, failures),
        *_lines(placed, failures),
        *(part for box in placed.values() for part in _shape(box)),
        "</svg>",
    ]
    firsts = {edge.target: edge for edge in reversed(edges)}
    return [edge for edge in edges if edge is firsts[edge.target]]


def _rules(state: State) -> list[State]:
    """Return where a state leads without an error, a Choice's first rule first."""
    default = {"Next": state.get("Default"), "Condition": "otherwise"}
    return [rule for rule in (*state.get("Choices", []), state, default) if rule.get("Next")]


def _condition(rule: State) -> tuple[str, ...]:
    """Return a Choice's rule in short: its comment, or what its condition compares with."""
    condition = rule.get("Condition", "")
    literals = [text or pattern for text, pattern in LITERAL.findall(condition)]
    null = IS_NULL.search(condition)
    if condition and "Comment" in rule:
        condition = rule["Comment"]
    elif null:
        condition = null[1] if null[2] else f"no {null[1]}"
    elif literals:
        condition = literals[-1].lower() if literals[-1].isupper() else literals[-1]
    return tuple(wrap(condition, LABEL_LENGTH))


def _errors(catcher: State) -> tuple[str, ...]:
    names = [error.rpartition(".")[2] for error in catcher["ErrorEquals"]]
    return tuple(name.removesuffix("Exception") for name in names if name != "ALL")


def _styled(edge: Edge, main: list[str], failures: list[str]) -> Edge:
    if edge.target in failures:
        return replace(edge, kind="failure")
    if (edge.source, edge.target) in pairwise(main):
        return replace(edge, kind="main", layout={"weight": 50})
    if edge.target in main and edge.source not in main:
        return replace(edge, layout={"minlen": 0})
    return edge


def _node(name: str, state: State, main: list[str], failures: list[str]) -> Node:
    inner = inner_machines(state)
    kind = STYLES.get(state["Type"], "task")
    return Node(
        name,
        "failing" if name in failures and kind != "bad" else kind,
        tuple(filter(None, [what_answers(state)])),
        width=MAIN_WIDTH if name in main else 0,
        inner=diagram(*inner) if inner else None,
        layout={"group": "main"} if name in main else {},
    )


def _path(style: str, *points: tuple[float, float]) -> str:
    return f'<path class="{style}" d="M{"L".join(f"{x:g} {y:g}" for x, y in points)}"/>'


def _lines(placed: dict[str, Box], failures: list[str]) -> Iterator[str]:
    for source in placed.values():
        following = next_states(source.state)
        for target in dict.fromkeys(following + caught_states(source.state)):
            if target in failures and source.name not in failures:
                continue
            style = "line" if target in following else "line caught"
            yield _path(style, *_route(source, placed[target]))


def _route(source: Box, target: Box) -> list[tuple[float, float]]:
    """Return the corners of a line: down, right, or back to an earlier state."""
    if target.column == source.column:
        if target.row == source.row + 1:
            return [(source.x, source.bottom), (target.x, target.top)]
        passing = SKIP_WIDTH if target.row > source.row else 0
        turn_x = source.left - LOOP_WIDTH - passing
        return _bracket(source.left, source.y, turn_x, target.left, target.y)
    if target.column > source.column:
        trunk = target.left - COLUMN_GAP / 2
        return _bracket(source.right, source.y, trunk, target.left, target.y)
    if target.row > source.row:
        x = source.x - BOX_WIDTH / 4
        return [(x, source.bottom), (x, target.y), (target.right, target.y)]
    far, over = source.right + LOOP_WIDTH, target.top - ROW_GAP / 2
    near, entry = target.right + COLUMN_GAP - BUS_OFFSET, target.y - SIDE_STEP
    return [
        (source.right, source.y),
        (far, source.y),
        (far, over),
        (near, over),
        (near, entry),
        (target.right, entry),
    ]


def _bracket(
    from_x: float, from_y: float, turn_x: float, to_x: float, to_y: float
) -> list[tuple[float, float]]:
    return [(from_x, from_y), (turn_x, from_y), (turn_x, to_y), (to_x, to_y)]


def _failure_lines(placed: dict[str, Box], failures: list[str]) -> Iterator[str]:
    first = placed[failures[0]]
    failing = [
        box
        for box in placed.values()
        if box.name not in failures
        and set(failures) & {*next_states(box.state), *caught_states(box.state)}
    ]
    bus = MARGIN + SKIP_WIDTH + LOOP_WIDTH + BOX_WIDTH + BUS_OFFSET
    stubs = [box for box in failing if box.column < first.column]
    for box in stubs:
        # The sides of a Choice slope inwards.
        inset = SIDE_STEP if box.state["Type"] == "Choice" else 0
        side = box.right - inset if box.column == 0 else box.left + inset
        yield _path("failure", (side, box.y + SIDE_STEP), (bus, box.y + SIDE_STEP))
    heights = [first.y, *(box.y + SIDE_STEP for box in stubs)]
    top = min(heights)
    yield _path("failure", (bus, top), (bus, max(heights)))
    yield _path("failure into", (bus, first.y), (first.left, first.y))
    yield f'<text class="failure" x="{bus + 8:g}" y="{top + 4:g}">any error</text>'
    for box in failing:
        if box.column == first.column:
            yield _path("failure into", (box.x, box.bottom), (first.x, first.top))


def _shape(box: Box) -> Iterator[str]:
    kind = box.state["Type"]
    if kind == "Choice":
        tip = BOX_HEIGHT / 2
        corners = (
            (box.left, box.y),
            (box.left + tip, box.top),
            (box.right - tip, box.top),
            (box.right, box.y),
            (box.right - tip, box.bottom),
            (box.left + tip, box.bottom),
        )
        points = " ".join(f"{x:g},{y:g}" for x, y in corners)
        yield f'<polygon class="box Choice" points="{points}"/>'
    else:
        radius = BOX_HEIGHT / 2 if kind in {"Wait", "Succeed", "Fail"} else 5
        yield (
            f'<rect class="box {kind}" x="{box.left:g}" y="{box.top:g}" width="{box.width:g}" '
            f'height="{box.height:g}" rx="{radius:g}"/>'
        )
    yield from _label(box)
    yield from _inner_shapes(box)


def _inner_states(state: State) -> dict[str, State]:
    states: dict[str, State] = state.get("ItemProcessor", {}).get("States", {})
    return states


def _inner_shapes(box: Box) -> Iterator[str]:
    first_y = box.top + BOX_HEIGHT * 1.5
    inner = {
        name: Box(name, state, 0, row, box.x, first_y + row * INNER_PITCH, width=BOX_WIDTH - 24)
        for row, (name, state) in enumerate(_inner_states(box.state).items())
    }
    for source in inner.values():
        for target in caught_states(source.state):
            yield _path("failure into", *_route(source, inner[target]))
        yield from _shape(source)


def _label(box: Box) -> Iterator[str]:
    y = box.top + BOX_HEIGHT / 2
    kind = kind_of(box.state)
    yield f'<text x="{box.x:g}" y="{y - 2 if kind else y + 4:g}">{escape(box.name)}</text>'
    if kind:
        yield f'<text class="kind" x="{box.x:g}" y="{y + 12:g}">{escape(kind)}</text>'


def kind_of(state: State) -> str:
    """Return the API that a task calls, or the state's type if its shape does not show it."""
    if state["Type"] == "Task":
        resource: str = state["Resource"]
        call = resource.partition(":::")[2].removeprefix("aws-sdk:")
        return call.replace("lambda:invoke", "Lambda")
    if items := ITEMS.search(str(state.get("Items", ""))):
        return f"{state['Type']} over {items[1]}"
    return "" if state["Type"] in {"Choice", "Wait", "Succeed", "Fail"} else state["Type"]


def main() -> None:
    """Write the pictures, or with --check exit if one is stale."""
    parser = argparse.ArgumentParser(description="Draw the state machines from their definitions.")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if one is stale"
    )
    check = parser.parse_args().check
    for definition, path in PICTURES.items():
        picture = draw(yaml.safe_load(definition.read_text(encoding="utf-8")))
        if not check:
            path.write_text(picture, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != picture:
            sys.exit(f"{path.name} is stale: {definition.name} has changed. Run: make generate")


if __name__ == "__main__":
    main()
