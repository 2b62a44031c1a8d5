"""Prints the report of a check in a terminal: verdict, model, findings, forecast."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from model_import.forecast.wording import FORECAST_LABELS, amount, size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from model_import.assessment.plan import Plan
    from model_import.findings.finding import Finding
    from model_import_cli.check_report import CheckReport

_COLOURS: Final = {"error": "red", "normalised": "cyan", "warning": "yellow"}
_HEADINGS: Final = {
    "error": "Errors",
    "normalised": "Corrected in the copy",
    "warning": "Warnings",
}
_BOX: Final = box.SIMPLE_HEAD
_PLACES_SHOWN: Final = 5


def show(console: Console, report: CheckReport) -> None:
    """Print a report at the width of the terminal."""
    console.print(_title(report), soft_wrap=True, highlight=False)
    if report.plan is not None:
        console.print(Padding(_model(report.plan), (1, 0, 0, 0)), highlight=False)
    for severity, findings in groupby(report.findings, key=lambda finding: finding.severity):
        console.print(Text(f"\n{_HEADINGS[severity]}", style=f"bold {_COLOURS[severity]}"))
        console.print(_findings(list(findings), _COLOURS[severity]))
    if report.importable and report.plan is not None:
        console.print(Text("\nForecast: nothing of it is measured on this model", style="bold"))
        console.print(_forecast(report.plan.forecast.to_dict()))


def _title(report: CheckReport) -> Text:
    colour, verdict = ("green", "importable") if report.importable else ("red", "refused")
    commit = f" at {report.commit}" if report.commit else ""
    counts = Counter(finding.severity for finding in report.findings)
    tally = ", ".join(f"{count} {_counted(name, count)}" for name, count in counts.items())
    return Text.assemble(
        (report.repo_id, "bold"),
        commit,
        ": ",
        (verdict, f"bold {colour}"),
        f" ({tally})" * bool(tally),
    )


def _counted(severity: str, count: int) -> str:
    return severity if severity == "normalised" or count == 1 else f"{severity}s"


def _model(plan: Plan) -> Table:
    model = plan.figures
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(
        "Model",
        ", ".join(
            (
                (model.architecture or "no class named")
                + (f" ({model.kind})" if model.kind else ""),
                f"{model.parameters:,} parameters"
                if model.parameters
                else "parameters not counted",
                model.dtype or "precision not known",
            )
        ),
    )
    context = f"{model.context_length:,} tokens" if model.context_length else "not stated"
    grid.add_row("Context", context)
    grid.add_row("Weights", f"{size(model.weights_bytes)} in {_files(model.weights_files)}")
    grid.add_row("Licence", model.licence or "none named")
    grid.add_row("Chat template", model.chat_template or "none")
    grid.add_row("On Bedrock", plan.wanted.model_name)
    return grid


def _findings(findings: list[Finding], colour: str) -> Table:
    """Return a table of findings; equal findings at several places share a row."""
    table = Table(box=_BOX, show_lines=True, show_header=False, show_edge=False)
    table.add_column(style=colour, no_wrap=True)
    table.add_column(overflow="fold", ratio=1)
    for code, group in _grouped(findings):
        table.add_row(code, Group(*_lines(group)))
    return table


def _grouped(findings: Iterable[Finding]) -> Iterator[tuple[str, list[Finding]]]:
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        key = (finding.code, finding.accepted, finding.remedy)
        groups.setdefault(key, []).append(finding)
    for (code, _, _), group in groups.items():
        yield code, group


def _lines(group: list[Finding]) -> Iterator[Text]:
    for finding in group[:_PLACES_SHOWN]:
        yield Text.assemble((finding.where, "bold"), f": {finding.found.rstrip('.…')}.")
    if (more := len(group) - _PLACES_SHOWN) > 0:
        yield Text(f"… and {more} more; --json lists all of them.")
    if accepted := group[0].accepted:
        yield Text(accepted)
    if remedy := group[0].remedy:
        yield Text(f"→ {remedy}")


def _forecast(figures: dict[str, dict[str, Any]]) -> Table:
    table = Table(box=_BOX, show_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("Estimate", no_wrap=True, justify="right")
    table.add_column("From", overflow="fold", ratio=1)
    for name, label in FORECAST_LABELS.items():
        figure = figures[name]
        dated = f", {figure['date']}" if figure["date"] else ""
        table.add_row(
            label,
            amount(name, figure),
            f"{figure['source']}{dated}",
            style="dim" if figure["at_least"] is None else "",
        )
    return table


def _files(count: int) -> str:
    return f"{count} file" if count == 1 else f"{count} files"
