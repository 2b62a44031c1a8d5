"""What a person sees of a local run: states as they are entered, the transfer as it moves."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Self

from rich.live import Live
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

if TYPE_CHECKING:
    from rich.console import Console

    from local.execution import Outcome


class Display:
    """Writes to one stream; bars are drawn on a terminal only."""

    def __init__(self, console: Console) -> None:
        """Draw on a console."""
        self._console = console
        self._bars = Progress(
            TextColumn("    "),
            SpinnerColumn(),
            TextColumn("task {task.fields[number]}"),
            BarColumn(),
            DownloadColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._live = Live(self._bars, console=console, transient=False)
        self._tasks: dict[str, Any] = {}
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        """Begin to draw."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the terminal as the last drawing left it."""
        if self._console.is_terminal:
            self._live.stop()

    def note(self, text: str) -> None:
        """Write a line of its own."""
        self._console.print(escape(text), highlight=False)

    def entered(self, state: str) -> None:
        """Show that a state was entered."""
        seconds = time.monotonic() - self._started
        self._console.print(
            f"  [dim]{seconds:5.1f} s[/] [bold cyan]›[/] {escape(state)}", highlight=False
        )

    def task_log(self, task_arn: str, line: str) -> None:
        """Show a line of a transfer task's log: progress as a bar, anything else as it is."""
        try:
            entry = json.loads(line)
        except ValueError:
            self._console.print(f"    [dim]{escape(line)}[/]", highlight=False)
            return
        if "bytes_total" in entry:
            self._moved(task_arn, entry)
        elif entry.get("level") in {"WARNING", "ERROR"}:
            self._console.print(f"    [yellow]{escape(str(entry.get('message')))}[/]")

    def _moved(self, task_arn: str, entry: dict[str, Any]) -> None:
        if task_arn not in self._tasks:
            number = len(self._tasks) + 1
            self._tasks[task_arn] = self._bars.add_task("", number=number, rate="")
        rate = f"{entry['bytes_per_second'] / 1e6:.1f} MB/s"
        self._bars.update(
            self._tasks[task_arn],
            completed=entry["bytes_done"],
            total=entry["bytes_total"],
            rate=rate,
        )
        if not self._console.is_terminal:
            self._console.print(
                f"    {entry['bytes_done']:,} of {entry['bytes_total']:,} bytes, "
                f"{rate}, "
                f"{entry['files_done']} of {entry['files_total']} files",
                highlight=False,
            )

    def ended(self, outcome: Outcome) -> None:
        """Show how the execution ended."""
        if outcome.status == "SUCCEEDED":
            self._console.print(f"[bold green]Model imported[/] in {outcome.seconds} s")
            self._console.print(f"  model   {outcome.model_arn}", highlight=False, soft_wrap=True)
            self._console.print(f"  answer  [bold]{escape(str(outcome.answer))}[/]")
        else:
            self._console.print(f"[bold red]{escape(str(outcome.error))}[/] ({outcome.status})")
            self._console.print(escape(str(outcome.cause)), highlight=False, soft_wrap=True)
        if outcome.manifest:
            self._console.print(f"  manifest {outcome.manifest}", highlight=False, soft_wrap=True)
