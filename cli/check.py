"""`model-import check`: the verdict of preflight on a repository, with no AWS account."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from model_import.bedrock_rules import bedrock_rules
from model_import.errors import (
    HubAccessRefusedError,
    HubUnavailableError,
    InvalidInputError,
    ModelImportError,
)
from model_import.hub import read_snapshot
from model_import.hub_conversions import find_conversion
from model_import.hub_files import HubFiles
from model_import.naming import model_name
from model_import.preflight.licence import LicenceRules
from model_import.preflight.verdict import judge
from model_import.request import ImportRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_import.hub import Snapshot
    from model_import.preflight.verdict import Verdict

_COLOURS: Final = {"error": "red", "normalised": "cyan", "warning": "yellow"}
_HUB: Final = "https://huggingface.co"
_IMPORTABLE, _REFUSED, _NOT_CHECKED = 0, 1, 2


@click.command()
@click.argument("repo_id")
@click.option("--revision", help="Branch, tag or commit; main by default.")
@click.option("--hub", default=_HUB, show_default=True, help="URL, or a folder ORG/NAME/….")
@click.option(
    "--region",
    default="us-east-1",
    show_default=True,
    type=click.Choice(bedrock_rules().regions),
    help="Where the import would run.",
)
@click.option(
    "--allow-licence", multiple=True, metavar="ID", help="Refuse any other; may be repeated."
)
@click.option("--deny-licence", multiple=True, metavar="ID", help="Refuse it; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check(  # noqa: PLR0913 – options of a command
    repo_id: str,
    revision: str | None,
    hub: str,
    region: str,
    *,
    allow_licence: tuple[str, ...],
    deny_licence: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say whether Bedrock can import REPO_ID, with every finding at once.

    Reads metadata and headers, not one weight. HF_TOKEN may hold a token for gated repositories.
    Exit code 0: importable. 1: refused. 2: wrong usage, or the Hub cannot be reached.
    """
    console = Console(stderr=as_json)
    try:
        request = ImportRequest.from_input({"repo_id": repo_id, "revision": revision})
        with _endpoint(hub) as endpoint:
            token = os.environ.get("HF_TOKEN") or None
            snapshot = read_snapshot(endpoint, request.repo_id, request.revision, token=token)
            files = HubFiles(snapshot.source, token)
            with contextlib.closing(files):
                verdict = judge(
                    snapshot,
                    files,
                    region,
                    licences=LicenceRules.of(allow_licence, deny_licence),
                    find_conversion=lambda: find_conversion(snapshot.source, token=token),
                )
    except (InvalidInputError, HubUnavailableError, HubAccessRefusedError) as error:
        console.print(str(error), style="red", markup=False)
        sys.exit(_NOT_CHECKED)
    except ModelImportError as error:
        console.print(f"{type(error).__name__}: {error}", style="red", markup=False)
        sys.exit(_REFUSED)
    report = _report(snapshot, verdict)
    if as_json:
        sys.stdout.write(json.dumps(report, ensure_ascii=False) + "\n")
    else:
        _show(console, report)
    sys.exit(_IMPORTABLE if verdict.importable else _REFUSED)


def _report(snapshot: Snapshot, verdict: Verdict) -> dict[str, Any]:
    source = snapshot.source
    return {
        "repo_id": source.repo_id,
        "commit": source.commit,
        "importable": verdict.importable,
        "findings": [asdict(finding) for finding in verdict.findings],
        "normalisations": [
            asdict(finding) for finding in verdict.findings if finding.severity == "normalised"
        ],
        "plan": {
            "files": verdict.weights_files,
            "bytes": verdict.weights_bytes,
            "dtype": verdict.dtype,
            "architecture": verdict.architecture,
            "kind": verdict.kind,
            "context_length": verdict.context_length,
            "chat_template": verdict.chat_template,
            "parameters": verdict.parameters,
            "licence": verdict.licence,
            "model_name": model_name(source.repo_id, source.commit),
        },
    }


def _show(console: Console, report: dict[str, Any]) -> None:
    verdict = "[green]importable[/]" if report["importable"] else "[red]refused[/]"
    console.print(f"[bold]{report['repo_id']}[/] at {report['commit']}: {verdict}", soft_wrap=True)
    plan = report["plan"]
    kind = f" ({plan['kind']})" if plan["kind"] else ""
    console.print(
        f"{plan['architecture']}{kind}, {plan['parameters']:,} parameters, {plan['dtype']}, "
        f"{plan['bytes'] / 1e9:.2f} GB in {plan['files']} files, context {plan['context_length']}, "
        f"chat template in {plan['chat_template'] or 'no file'}, "
        f"licence {plan['licence']}; on Bedrock {plan['model_name']}",
        highlight=False,
        soft_wrap=True,
    )
    if not report["findings"]:
        return
    table = Table("Finding", "What was found, what is accepted, what to do", show_lines=True)
    for finding in report["findings"]:
        colour = _COLOURS[finding["severity"]]
        table.add_row(
            f"[{colour}]{finding['code']}[/]",
            escape(
                f"{finding['where']}\n{finding['found']}.\n{finding['accepted']}\n"
                f"{finding['remedy']}"
            ),
        )
    console.print(table)


@contextlib.contextmanager
def _endpoint(hub: str) -> Iterator[str]:
    if hub.startswith(("http://", "https://")):
        yield hub.rstrip("/")
        return
    # The stand-in for the Hub is for a folder only.
    from local.hub_server import LocalHub  # noqa: PLC0415

    if not Path(hub).is_dir():
        raise click.BadParameter(f"{hub} is no folder and no URL", param_hint="--hub")
    with LocalHub.from_directory(Path(hub)) as server:
        yield server.endpoint
