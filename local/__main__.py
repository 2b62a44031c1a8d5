"""The project on one machine, with no AWS account: `python -m local run` and `… serve`."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

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
    directory = _hub(hub)
    from local import display, sessions  # noqa: PLC0415 – moto takes seconds to import

    shown = display.Display(Console(stderr=as_json))
    try:
        outcome = sessions.run_import(execution_input, directory, chosen, shown)
    except KeyboardInterrupt:
        shown.note("Stopped; nothing is left running.")
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
    directory = _hub(hub)
    from local import display, sessions  # noqa: PLC0415 – moto takes seconds to import

    shown = display.Display(Console(emoji=False))
    try:
        outcome = sessions.run_release(delivery, directory, chosen, shown)
    except KeyboardInterrupt:
        shown.note("Stopped; nothing is left running.")
        sys.exit(1)
    except RuntimeError as error:
        raise click.ClickException(str(error)) from error
    sys.exit(0 if outcome and outcome.model_arn else 1)


@main.command()
@click.option("--port", default=5000, show_default=True, help="Port of the local AWS on 127.0.0.1.")
@click.option("--hub", help="Folder of ORG/NAME/…, or URL of a Hub; by default the shipped folder.")
@_parameter_option
def serve(port: int, hub: str | None, parameters: tuple[str, ...]) -> None:
    """Run a local AWS with the stack deployed, for the AWS CLI, boto3 and webhooks."""
    chosen = _template_parameters(parameters)
    directory = _hub(hub)
    # rich would read parts of ARNs as names of emoji.
    console = Console(emoji=False)
    from local import sessions  # noqa: PLC0415 – moto takes seconds to import

    try:
        sessions.serve_aws(port, directory, chosen, console)
    except KeyboardInterrupt:
        console.print("Stopped; nothing is left running.")
    except SystemExit:
        raise click.UsageError(f"Port {port} is taken; choose another with --port.") from None


def _template_parameters(given: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    if not given:
        return ()
    from local.deployment.stack import read_template  # noqa: PLC0415 – as above

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


def _hub(hub: str | None) -> str | Path:
    """Return the URL of a Hub without a trailing slash, or the folder to serve."""
    if hub and hub.startswith(("http://", "https://")):
        return hub.rstrip("/")
    directory = Path(hub) if hub else SHIPPED_HUB
    if not directory.is_dir():
        raise click.BadParameter(
            f"{directory} is neither a folder nor an http(s) URL", param_hint="--hub"
        )
    return directory


if __name__ == "__main__":
    main(prog_name="python -m local")
