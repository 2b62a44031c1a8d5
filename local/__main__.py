"""The project on one machine, with no AWS account: `python -m local run` and `… serve`."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console

from local.aws.announcements import Announcements
from local.deployment.execution import Execution
from local.deployment.local_aws import LocalAws, LocalSettings
from local.deployment.stack import read_template
from local.display import Display
from local.release import follow_release, watch_repository
from local.slice_progress import SliceProgressReader
from model_import_cli.folder_hub.server import LocalHub

if TYPE_CHECKING:
    from collections.abc import Iterator

SHIPPED_HUB: Final = Path(__file__).parent / "repositories"
_DELIVERY: Final = Path(__file__).parent.parent / "events" / "hub_webhook.json"


@click.group()
def main() -> None:
    """Run the whole pipeline on this machine, with no AWS account and no Docker."""
    # SIGTERM ends the run as Ctrl-C does: tasks are stopped and uploads aborted.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    # moto and SAM's translator log errors that a state machine handles.
    logging.getLogger("moto").setLevel(logging.CRITICAL)
    logging.getLogger("samtranslator").setLevel(logging.CRITICAL)
    # A profile in this shell must not send local calls to AWS.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]


_parameter_option = click.option(
    "--parameter",
    "parameters",
    multiple=True,
    help="Template parameter NAME=VALUE; may be repeated.",
)


@main.command()
@click.argument("repo_id")
@click.option("--revision", help="Branch, tag or commit; main by default.")
@click.option("--hub", help="Folder of ORG/NAME/…, or URL of a Hub; by default the shipped folder.")
@click.option("--input", "more_input", help="JSON object with more execution input.")
@_parameter_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
def run(  # noqa: PLR0913 – options of a command
    repo_id: str,
    revision: str | None,
    hub: str | None,
    more_input: str | None,
    parameters: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    """Import REPO_ID: deploy template.yaml, run one execution, show it.

    Exit code 0: the model was imported and answered. 1: the execution failed. 2: wrong usage.
    """
    execution_input = _execution_input(repo_id, revision, more_input)
    chosen = _template_parameters(parameters)
    display = Display(Console(stderr=as_json))
    try:
        with _hub_endpoint(hub) as endpoint, display:
            display.note(f"Deploying template.yaml into a local AWS; the Hub is {endpoint}")
            settings = dataclasses.replace(_settings(endpoint), parameters=chosen)
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
    except KeyboardInterrupt:
        display.note("Stopped; nothing is left running.")
        sys.exit(1)
    if as_json:
        sys.stdout.write(json.dumps(dataclasses.asdict(outcome), ensure_ascii=False) + "\n")
    sys.exit(0 if outcome.status == "SUCCEEDED" else 1)


@main.command()
@click.option(
    "--delivery",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=_DELIVERY,
    help="Payload that the Hub posts; events/hub_webhook.json by default.",
)
@click.option("--hub", help="Folder of ORG/NAME/…, or URL of a Hub; by default the shipped folder.")
@_parameter_option
def release(delivery: Path, hub: str | None, parameters: tuple[str, ...]) -> None:
    """Deliver a payload of a Hub webhook, and follow the release that it announces.

    Exit code 0: the model was imported and answered. 1: it was not. 2: wrong usage.
    """
    chosen = _template_parameters(parameters)
    display = Display(Console(emoji=False))
    outcome = None
    try:
        with _hub_endpoint(hub) as endpoint, display:
            display.note(f"Deploying template.yaml into a local AWS; the Hub is {endpoint}")
            with LocalAws(_releasing(_settings(endpoint), chosen), display.task_log) as aws:
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
    except KeyboardInterrupt:
        display.note("Stopped; nothing is left running.")
        sys.exit(1)
    except RuntimeError as error:
        raise click.ClickException(str(error)) from error
    if outcome:
        display.ended(outcome)
    sys.exit(0 if outcome and outcome.model_arn else 1)


@main.command()
@click.option("--port", default=5000, show_default=True, help="Port of the local AWS on 127.0.0.1.")
@click.option("--hub", help="Folder of ORG/NAME/…, or URL of a Hub; by default the shipped folder.")
@_parameter_option
def serve(port: int, hub: str | None, parameters: tuple[str, ...]) -> None:
    """Run a local AWS with the stack deployed, for the AWS CLI, boto3 and webhooks."""
    chosen = _template_parameters(parameters)
    # rich would read parts of ARNs as names of emoji.
    console = Console(emoji=False)

    def tell(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    try:
        with (
            _hub_endpoint(hub) as endpoint,
            LocalAws(
                dataclasses.replace(
                    _releasing(_settings(endpoint), chosen),
                    port=port,
                    function_log_level="INFO",
                    on_schedule_run=tell,
                ),
                lambda _arn, line: tell(line),
            ) as aws,
        ):
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
    except KeyboardInterrupt:
        console.print("Stopped; nothing is left running.")
    except SystemExit:
        raise click.UsageError(f"Port {port} is taken; choose another with --port.") from None


_POLL_SECONDS: Final = 0.5
_NEXT: Final = """\
aws stepfunctions start-execution --state-machine-arn {arn} \
--input '{{"repo_id": "model-import/Tiny-Quiz-Llama-Instruct"}}'
# Stop with Ctrl-C."""


def _releasing(settings: LocalSettings, parameters: tuple[tuple[str, str], ...]) -> LocalSettings:
    """Return settings that enable the webhook and the schedule, unless `parameters` differ."""
    enabled = (("ReleaseWebhook", "ENABLED"), ("WatchSchedule", "rate(15 minutes)"))
    return dataclasses.replace(settings, parameters=(*enabled, *parameters))


def _settings(hub_endpoint: str) -> LocalSettings:
    return LocalSettings(hub_endpoint=hub_endpoint, hub_token=os.environ.get("HF_TOKEN"))


def _template_parameters(given: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    known = read_template()["Parameters"]
    parameters = []
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or name not in known:
            message = f"{text!r} is not NAME=VALUE with one of {', '.join(known)}"
            raise click.BadParameter(message, param_hint="--parameter")
        parameters.append((name, value))
    return tuple(parameters)


def _execution_input(repo_id: str, revision: str | None, more_input: str | None) -> dict[str, Any]:
    try:
        more = json.loads(more_input) if more_input else {}
    except ValueError as error:
        raise click.BadParameter(f"not JSON: {error}", param_hint="--input") from None
    if not isinstance(more, dict):
        raise click.BadParameter("not a JSON object", param_hint="--input")
    return {"repo_id": repo_id, **({"revision": revision} if revision else {}), **more}


@contextlib.contextmanager
def _hub_endpoint(hub: str | None) -> Iterator[str]:
    if hub and hub.startswith(("http://", "https://")):
        yield hub.rstrip("/")
        return
    directory = Path(hub) if hub else SHIPPED_HUB
    if not directory.is_dir():
        raise click.BadParameter(
            f"{directory} is neither a folder nor an http(s) URL", param_hint="--hub"
        )
    with LocalHub.from_directory(directory) as server:
        yield server.endpoint


if __name__ == "__main__":
    main(prog_name="python -m local")
