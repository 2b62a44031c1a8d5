"""The three sessions of the local AWS: one import, one release, or an endpoint until Ctrl-C."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from local.aws.announcements import Announcements
from local.deployment.execution import Execution
from local.deployment.local_aws import LocalAws, LocalSettings
from local.display import Display
from local.release import follow_release, watch_repository
from local.slice_progress import SliceProgressReader
from model_import_cli.folder_hub.server import LocalHub

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from local.deployment.execution import Outcome

type Parameters = tuple[tuple[str, str], ...]
"""Names and values of template parameters."""

_POLL_SECONDS: Final = 0.5
_NEXT: Final = """\
aws stepfunctions start-execution --state-machine-arn {arn} \
--input '{{"repo_id": "model-import/Tiny-Quiz-Llama-Instruct"}}'
# Stop with Ctrl-C."""


def run_import(
    execution_input: dict[str, Any], hub: str | Path, parameters: Parameters, display: Display
) -> Outcome:
    """Import one repository, show it, and return how its execution ended."""
    with _hub_endpoint(hub) as endpoint, display:
        display.note(f"Deploying template.yaml into a local AWS; the Hub is {endpoint}")
        settings = dataclasses.replace(_settings(endpoint), parameters=parameters)
        with LocalAws(settings, display.task_log) as aws:
            execution = Execution(aws, execution_input)
            progress = SliceProgressReader(
                aws.account.client("s3"),
                aws.stack.outputs["StagingBucketName"],
                execution.name,
            )
            announcements = Announcements(aws)

            def tell() -> None:
                display.moved(progress.changes())
                display.announced(announcements.new())

            for state in execution.states_entered(tell):
                display.moved(progress.changes(at_once=state == "Verify Transfer"))
                display.entered(state)
                display.announced(announcements.new())
            display.moved(progress.changes(at_once=True))
            display.announced(announcements.new(settled=True))
            outcome = execution.outcome()
    display.ended(outcome)
    return outcome


def run_release(
    delivery: Path, hub: str | Path, parameters: Parameters, display: Display
) -> Outcome | None:
    """Deliver a webhook's payload, show what follows, and return how its last execution ended.

    Raises:
        RuntimeError: The stack did not accept the delivery, or no release followed.
    """
    outcome = None
    with _hub_endpoint(hub) as endpoint, display:
        display.note(f"Deploying template.yaml into a local AWS; the Hub is {endpoint}")
        with LocalAws(_releasing(_settings(endpoint), parameters), display.task_log) as aws:
            watch_repository(aws, json.loads(delivery.read_bytes())["repo"]["name"])
            display.note(f"The Hub posts {delivery.name} to {aws.stack.outputs['WebhookUrl']}")
            announcements = Announcements(aws)
            for execution in follow_release(aws, delivery.read_bytes()):
                for state in execution.states_entered(
                    lambda: display.announced(announcements.new())
                ):
                    display.entered(state)
                    display.announced(announcements.new())
                display.announced(announcements.new(settled=True))
                outcome = execution.outcome()
    if outcome:
        display.ended(outcome)
    return outcome


def serve_aws(port: int, hub: str | Path, parameters: Parameters, console: Console) -> None:
    """Serve the deployed stack at a port of 127.0.0.1 until Ctrl-C.

    Raises:
        SystemExit: The port is taken.
    """

    def tell(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    with _hub_endpoint(hub) as endpoint:
        settings = dataclasses.replace(
            _releasing(_settings(endpoint), parameters),
            port=port,
            function_log_level="INFO",
            on_schedule_run=tell,
        )
        with LocalAws(settings, lambda _arn, line: tell(line)) as aws:
            for name, value in aws.account.environment.items():
                console.print(f"export {name}={value}", highlight=False, soft_wrap=True)
            for name, value in aws.stack.outputs.items():
                console.print(f"# {name} {value}", highlight=False, soft_wrap=True)
            console.print(f"# Hub {endpoint}", highlight=False)
            console.print(_NEXT.format(arn=aws.stack.state_machine_arn), soft_wrap=True)
            announcements, display = Announcements(aws), Display(console)
            while True:
                display.announced(announcements.new())
                time.sleep(_POLL_SECONDS)


def _releasing(settings: LocalSettings, parameters: Parameters) -> LocalSettings:
    """Return settings that enable the webhook and the schedule, unless `parameters` differ."""
    enabled = (("ReleaseWebhook", "ENABLED"), ("WatchSchedule", "rate(15 minutes)"))
    return dataclasses.replace(settings, parameters=(*enabled, *parameters))


def _settings(hub_endpoint: str) -> LocalSettings:
    return LocalSettings(hub_endpoint=hub_endpoint, hub_token=os.environ.get("HF_TOKEN"))


@contextlib.contextmanager
def _hub_endpoint(hub: str | Path) -> Iterator[str]:
    """Yield the URL of a Hub; a folder is served for as long as the block runs."""
    if isinstance(hub, Path):
        with LocalHub.from_directory(hub) as server:
            yield server.endpoint
    else:
        yield hub
