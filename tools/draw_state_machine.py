"""Draws docs/state_machine.svg and docs/model_release.svg from the definitions of the machines.

The path of an execution that succeeds runs straight down. States that can only end in failure form
a path of their own; where many states lead to it, each bears a cross instead of an arrow.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

import yaml

from tools.diagram import CROSS, Diagram, Edge, Node, draw

if TYPE_CHECKING:
    from collections.abc import Iterable

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


def picture(definition: Path) -> str:
    """Return the SVG of a state machine."""
    machine = yaml.safe_load(definition.read_text(encoding="utf-8"))
    return draw(diagram(machine), machine["Comment"])


def diagram(*machines: State) -> Diagram:
    """Return the boxes and arrows of machines that run beside each other."""
    parts = [_diagram(machine) for machine in machines]
    return Diagram(
        nodes=tuple(node for part in parts for node in part.nodes),
        edges=tuple(edge for part in parts for edge in part.edges),
        rows=tuple(row for part in parts for row in part.rows),
    )


def _diagram(machine: State) -> Diagram:
    states = machine["States"]
    main, failures = main_path(machine), failure_path(states)
    # Graphviz takes an arrow to an earlier box of this order for one that leads back up.
    order = [*main, *(name for name in states if name not in main)]
    nodes = [_node(name, states[name], main, failures) for name in order]
    edges = [
        _styled(edge, main, failures) for name in order for edge in edges_from(name, states[name])
    ]
    drawn = Diagram(tuple(nodes), tuple(edges))
    entries = Counter(edge.target for edge in _failing(edges, failures))
    entry, arrows = max(entries.items(), key=itemgetter(1), default=("", 0))
    if arrows <= MOST_FAILURE_ARROWS:
        return drawn
    return replace(_crossed(drawn, failures, entry), rows=((main[-1], failures[-1]),))


def _failing(edges: Iterable[Edge], failures: list[str]) -> list[Edge]:
    return [edge for edge in edges if edge.target in failures and edge.source not in failures]


def _crossed(drawn: Diagram, failures: list[str], entry: str) -> Diagram:
    """Return a diagram with a cross for each arrow that leads to the entry of the failures."""
    hidden = [edge for edge in _failing(drawn.edges, failures) if edge.target == entry]
    sources = {edge.source for edge in hidden}
    nodes = [replace(node, fails=node.name in sources) for node in drawn.nodes]
    edges = [edge for edge in drawn.edges if edge not in hidden]
    edges.append(Edge(CROSS.name, entry, "failure", ("an error", "or a refusal")))
    return Diagram((*nodes, CROSS), tuple(edges))


def main_path(machine: State) -> list[str]:
    """Return the states of an execution that succeeds, in order."""
    path = [machine["StartAt"]]
    while (rules := _rules(machine["States"][path[-1]])) and rules[0]["Next"] not in path:
        path.append(rules[0]["Next"])
    return path


def failure_path(states: dict[str, State]) -> list[str]:
    """Return the states from which no success can be reached, in the order of the definition."""
    hopeful = {n for n, state in states.items() if state["Type"] != "Fail" and not _rules(state)}
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


def edges_from(name: str, state: State) -> list[Edge]:
    """Return the arrows that leave a state, one for each state that it leads to."""
    edges = [Edge(name, rule["Next"], label=_condition(rule)) for rule in _rules(state)]
    edges += [
        Edge(name, catcher["Next"], "caught", _errors(catcher))
        for catcher in state.get("Catch", [])
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


def what_answers(state: State) -> str:
    """Return what answers a state, or its type where the shape does not say it."""
    if state["Type"] == "Task":
        resource: str = state["Resource"]
        call = resource.partition(":::")[2].removeprefix("aws-sdk:")
        return call.replace("lambda:invoke", "Lambda")
    if items := ITEMS.search(str(state.get("Items", ""))):
        return f"{state['Type']} over {items[1]}"
    return "" if state["Type"] in {"Choice", "Wait", "Succeed", "Fail"} else state["Type"]
