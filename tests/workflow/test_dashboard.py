"""The dashboard draws metrics that there are: those that the tasks emit, and those of AWS."""

from __future__ import annotations

import json
import re
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import pytest

from local.deployment.stack import read_template

from model_import.transfer.progress import Progress  # isort: skip
from transfer_model.progress_metrics import DIMENSION, NAMESPACE, ProgressMetrics  # isort: skip

if TYPE_CHECKING:
    from collections.abc import Iterator

TEMPLATE: Final = read_template()
BODY: Final[str] = TEMPLATE["Resources"]["ModelImportDashboard"]["Properties"]["DashboardBody"][
    "Fn::Sub"
]
WIDGETS: Final[list[dict[str, Any]]] = json.loads(BODY)["widgets"]
DOCUMENTED: Final = {
    # https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html, 2026-11-24
    ("AWS/States", "StateMachineArn"): {
        "ExecutionTime",
        "ExecutionsAborted",
        "ExecutionsFailed",
        "ExecutionsStarted",
        "ExecutionsSucceeded",
        "ExecutionsTimedOut",
        "ExecutionThrottled",
    },
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html, 2026-11-24
    ("AWS/Lambda", "FunctionName"): {"Duration", "Errors", "Invocations", "Throttles"},
}


def metrics_of(widget: dict[str, Any]) -> Iterator[list[str]]:
    """Yield (namespace, name, dimension, value), with CloudWatch's abbreviations written out."""
    before: list[str] = []
    for entry in widget["properties"]["metrics"]:
        words = [word for word in entry if isinstance(word, str)]
        if words[:1] == ["..."]:
            words = before[: len(before) - len(words) + 1] + words[1:]
        words = [before[place] if word == "." else word for place, word in enumerate(words)]
        if words:
            yield words
            before = words


METRICS: Final = [
    metric for widget in WIDGETS if widget["type"] == "metric" for metric in metrics_of(widget)
]


def test_every_metric_of_ours_is_one_that_a_task_emits_and_none_is_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with closing(ProgressMetrics("imports", "s3://staging/slice")) as emitting:
        emitting(Progress(1, 1, 1, 1, 1))
    (directive,) = json.loads(capsys.readouterr().out)["_aws"]["CloudWatchMetrics"]
    emitted = {metric["Name"] for metric in directive["Metrics"]}

    ours = [metric for metric in METRICS if metric[0] == NAMESPACE]

    assert {name for _, name, *_ in ours} == emitted
    assert directive["Dimensions"] == [[DIMENSION]]
    assert {tuple(rest) for _, _, *rest in ours} == {(DIMENSION, "${AWS::StackName}")}


@pytest.mark.parametrize("metric", [m for m in METRICS if m[0] != NAMESPACE], ids=" ".join)
def test_every_other_metric_is_one_that_aws_documents(metric: list[str]) -> None:
    namespace, name, dimension, value = metric

    assert name in DOCUMENTED[namespace, dimension]
    assert re.fullmatch(r"\$\{\w+\}", value)


def test_imports_are_drawn_by_every_outcome() -> None:
    assert {name for namespace, name, *_ in METRICS if namespace == "AWS/States"} >= {
        "ExecutionsSucceeded",
        "ExecutionsFailed",
        "ExecutionsTimedOut",
        "ExecutionsAborted",
    }


def test_what_the_body_refers_to_is_in_the_template() -> None:
    names = set(re.findall(r"\$\{(\w+)\}", BODY))

    assert names <= TEMPLATE["Resources"].keys()


def test_expressions_name_metrics_of_their_own_widget() -> None:
    for widget in WIDGETS:
        options = [entry[-1] for entry in widget["properties"].get("metrics", [])]
        options = [option for option in options if isinstance(option, dict)]
        known = {option["id"] for option in options if "id" in option}
        for option in options:
            if "expression" in option:
                assert set(re.findall(r"\b[a-z]\w*\b", option["expression"])) <= known


def test_logs_are_read_from_the_log_group_of_the_state_machine() -> None:
    queries = [w["properties"]["query"] for w in WIDGETS if w["type"] == "log"]

    assert queries
    assert all(query.startswith("SOURCE '${StateMachineLogGroup}' |") for query in queries)


def test_widgets_neither_overlap_nor_leave_the_grid() -> None:
    cells = [
        (x, y)
        for widget in WIDGETS
        for x in range(widget["x"], widget["x"] + widget["width"])
        for y in range(widget["y"], widget["y"] + widget["height"])
    ]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
