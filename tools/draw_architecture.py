"""Draws docs/architecture.svg, the way of a repository id, from architecture.toml."""

from __future__ import annotations

import tomllib
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from tools.diagram import Diagram, Edge, Node, draw
from tools.draw_state_machine import ROOT, STYLES, what_answers

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE: Final = Path(__file__).with_name("architecture.toml")
PICTURE: Final = ROOT / "docs/architecture.svg"
DEFINITION: Final = ROOT / "statemachine/model_import.asl.yaml"
STEP_WIDTH: Final = 326
STORE_WIDTH: Final = 216
# Drawn from left to right, with the arrow at its beginning.
BACK: Final = {"dir": "back", "tailclip": "true"}

type Table = dict[str, Any]


def picture() -> str:
    """Return the SVG."""
    table = load_table()
    states = yaml.safe_load(DEFINITION.read_text(encoding="utf-8"))["States"]
    return draw(diagram(table, states), table["title"])


def load_table() -> Table:
    """Return what architecture.toml says."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def diagram(table: Table, states: Table) -> Diagram:
    """Return the boxes and arrows: the steps one below the other, with their stores beside them."""
    names = [step["states"][0] for step in table["steps"]]
    nodes = [_input(entry) for entry in table["inputs"]]
    edges = [Edge(node.name, names[0], "main") for node in nodes]
    edges += [Edge(*pair, "main", layout={"weight": 50}) for pair in pairwise(names)]
    rows = [tuple(node.name for node in nodes)]
    for step in table["steps"]:
        beside = [*_beside(step, table["stores"])]
        nodes += [_step(step, states), *(node for node, _ in beside)]
        edges += [edge for _, edge in beside]
        rows.append((step["states"][0], *(node.name for node, _ in beside)))
    title, *notes = table["caption"]
    nodes.append(Node("caption", "caption", tuple(notes), title=title, width=STORE_WIDTH))
    edges.append(Edge("caption", names[-1], "caption"))
    rows.append(("caption", names[-1]))
    return Diagram(tuple(nodes), tuple(edges), tuple(rows), layout={"nodesep": 0.5})


def _input(entry: Table) -> Node:
    return Node(entry["name"], "pass", tuple(entry["notes"]), width=STORE_WIDTH)


def _step(step: Table, states: Table) -> Node:
    name, *more = step["states"]
    state = states[name]
    folders = "  ".join(f"{room}/" for room in step.get("rooms", []))
    notes = (*step.get("notes", []), ", ".join(more), folders or what_answers(state))
    return Node(
        name,
        "task" if state["Type"] == "Map" else STYLES.get(state["Type"], "task"),
        tuple(filter(None, notes)),
        width=STEP_WIDTH,
        layout={"group": "main"},
    )


def _beside(step: Table, stores: Table) -> Iterator[tuple[Node, Edge]]:
    """Yield what stands beside a step: what it reads first on its left, the rest on its right."""
    name = step["states"][0]
    for number, (store, notes) in enumerate(step.get("reads", {}).items()):
        node = _store(f"{name} reads {store}", store, stores[store], notes)
        yield node, Edge(node.name, name) if number == 0 else Edge(name, node.name, layout=BACK)
    for store, notes in step.get("writes", {}).items():
        node = _store(f"{name} writes {store}", store, stores[store], notes)
        yield node, Edge(name, node.name)
    if failure := step.get("failure"):
        node = Node(failure["state"], "bad", tuple(failure["notes"]), width=STORE_WIDTH)
        yield node, Edge(name, node.name, "failure")


def _store(key: str, kind: str, title: str, notes: list[str]) -> Node:
    return Node(key, f"store {kind}", tuple(notes), title=title, width=STORE_WIDTH)
