"""Shows a local run in a terminal: the states entered and the progress of the transfer."""

from __future__ import annotations

import json
import textwrap
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rich.console import Console

    from local.aws.announcements import PublishedMessage
    from local.deployment.execution import Outcome
    from model_import.transfer.slice_progress import SliceProgress


class Display:
    """Writes to one console; draws bars only on a terminal."""

    def __init__(self, console: Console) -> None:
        """Write to a console."""
        self._console = console
        self._bars = Progress(
            TextColumn("    slice {task.fields[number]}"),
            BarColumn(bar_width=None),
            DownloadColumn(),
            TextColumn("{task.fields[rate]} {task.fields[note]}"),
            console=console,
            expand=True,
        )
        self._live = Live(self._bars, console=console, transient=False)
        self._slices: dict[int, TaskID] = {}
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        """Start to draw bars."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop drawing; the last bars remain."""
        if self._console.is_terminal:
            self._live.stop()

    def note(self, text: str) -> None:
        """Write a line of text."""
        self._console.print(escape(text), highlight=False)

    def entered(self, state: str) -> None:
        """Show that a state was entered."""
        seconds = time.monotonic() - self._started
        self._console.print(
            f"  [dim]{seconds:5.1f} s[/] [bold cyan]›[/] {escape(state)}", highlight=False
        )

    def announced(self, messages: Iterable[PublishedMessage]) -> None:
        """Show the announcements."""
        for message in messages:
            self._console.print(
                f"    [green]announced[/] {escape(message.subject)}",
                highlight=False,
                soft_wrap=True,
                emoji=False,
            )
            if message.asks:
                self._console.print(
                    escape(textwrap.indent(message.text, "    ")),
                    highlight=False,
                    soft_wrap=True,
                    emoji=False,
                )

    def task_log(self, _task_arn: str, line: str) -> None:
        """Show a warning, an error or plain text from a transfer task's log, but no metrics."""
        try:
            entry = json.loads(line)
        except ValueError:
            self._console.print(f"    [dim]{escape(line)}[/]", highlight=False)
            return
        if entry.get("level") in {"WARNING", "ERROR"}:
            self._console.print(f"    [yellow]{escape(str(entry.get('message')))}[/]")

    def moved(self, changes: Mapping[int, SliceProgress]) -> None:
        """Show the progress of slices: as bars on a terminal, else as a line per slice."""
        for number, progress in changes.items():
            rate = f"{progress.bytes_per_second / 1e6:.1f} MB/s"
            if self._console.is_terminal:
                self._draw(number, progress, rate)
            else:
                self._console.print(
                    f"    slice {number}: {progress.bytes_done:,} of {progress.bytes_total:,} "
                    f"bytes, {rate}, {progress.files_done} of {progress.files_total} files, "
                    f"{_note(progress)}",
                    highlight=False,
                    soft_wrap=True,
                )

    def _draw(self, number: int, progress: SliceProgress, rate: str) -> None:
        if number not in self._slices:
            self._slices[number] = self._bars.add_task("", number=number, rate="", note="")
        self._bars.update(
            self._slices[number],
            completed=progress.bytes_done,
            total=progress.bytes_total,
            rate=rate,
            note=_note(progress),
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


def _note(progress: SliceProgress) -> str:
    """Return the state of a slice, with the time left and the retries."""
    parts = [progress.error or progress.state]
    if progress.state == "running" and progress.eta_seconds is not None:
        parts.append(f"{timedelta(seconds=progress.eta_seconds)} left")
    if progress.retries:
        parts.append(f"{progress.retries} retries")
    return ", ".join(parts)
