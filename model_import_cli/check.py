"""`model-import check`: the verdict of preflight, with or without an AWS account."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import boto3
import click
from botocore.exceptions import BotoCoreError
from rich.console import Console

from model_import.assessment.assess import assess
from model_import.aws.refusals import ACCOUNT_CALLS
from model_import.bedrock.rules import bedrock_rules
from model_import.errors import (
    AwsUnavailableError,
    HubAccessRefusedError,
    HubUnavailableError,
    InvalidInputError,
    ModelImportError,
)
from model_import.forecast.data import forecast_data
from model_import.preflight.account import AccountClients, account_not_checked, check_account
from model_import.preflight.licence import LicenceRules
from model_import.request.input import ImportRequest
from model_import.sources.hub.snapshot import read_snapshot
from model_import_cli.check_display import show
from model_import_cli.check_report import CheckReport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_import.findings.finding import Finding
    from model_import.request.wanted_import import WantedImport

_HUB: Final = "https://huggingface.co"
_IMPORTABLE, _REFUSED, _NOT_CHECKED = 0, 1, 2


@click.command()
@click.argument("repo_id")
@click.option("--revision", help="Branch, tag or commit; main by default.")
@click.option("--hub", default=_HUB, show_default=True, help="URL, or a folder of ORG/NAME/….")
@click.option(
    "--region",
    default="us-east-1",
    show_default=True,
    type=click.Choice(bedrock_rules().regions),
    help="Region of the import.",
)
@click.option("--model-name", help="Name of the imported model; derived from REPO_ID by default.")
@click.option(
    "--megabytes-per-second",
    type=click.FloatRange(min=0, min_open=True),
    default=forecast_data().megabytes_per_second.value,
    show_default=True,
    help="Transfer rate that the forecast assumes.",
)
@click.option(
    "--allow-licence", multiple=True, metavar="ID", help="Accept only these; may be repeated."
)
@click.option("--deny-licence", multiple=True, metavar="ID", help="Refuse these; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check(  # noqa: PLR0913 – options of a command
    repo_id: str,
    revision: str | None,
    hub: str,
    region: str,
    *,
    model_name: str | None,
    megabytes_per_second: float,
    allow_licence: tuple[str, ...],
    deny_licence: tuple[str, ...],
    as_json: bool,
) -> None:
    """Check whether Bedrock can import REPO_ID, and list every finding.

    Reads metadata and headers, but no weights. For a gated repository, set HF_TOKEN to a token.
    With AWS credentials, also checks the account: names, quotas, earlier imports.
    Exit code 0: importable. 1: refused. 2: wrong usage, or the Hub is unavailable or refuses
    access.
    """
    console = Console(stderr=as_json)
    try:
        request = ImportRequest.from_input(
            {"repo_id": repo_id, "revision": revision, "model_name": model_name}
        )
        with _endpoint(hub) as endpoint:
            licences = LicenceRules.of(allow_licence, deny_licence)
            report = _report(request, endpoint, region, licences, megabytes_per_second)
    except (InvalidInputError, HubUnavailableError, HubAccessRefusedError) as error:
        console.print(str(error), style="red", markup=False)
        sys.exit(_NOT_CHECKED)
    except ModelImportError as error:
        report = CheckReport.of_refusal(repo_id, error)
    if as_json:
        sys.stdout.write(json.dumps(report.to_dict(), ensure_ascii=False) + "\n")
    else:
        show(console, report)
    sys.exit(_IMPORTABLE if report.importable else _REFUSED)


def _report(
    request: ImportRequest,
    endpoint: str,
    region: str,
    licences: LicenceRules,
    megabytes_per_second: float,
) -> CheckReport:
    token = os.environ.get("HF_TOKEN") or None
    snapshot = read_snapshot(endpoint, request.repo_id, request.revision, token=token)
    assessment = assess(
        request,
        snapshot,
        region,
        hub_token=token,
        hub_ca_bundle=os.environ.get("REQUESTS_CA_BUNDLE") or None,
        licences=licences,
        check_account=lambda wanted: _check_account(wanted, region),
        megabytes_per_second=megabytes_per_second,
    )
    return CheckReport.of(assessment)


def _check_account(wanted: WantedImport, region: str) -> list[Finding]:
    try:
        session = boto3.Session(region_name=region)
        if session.get_credentials() is None:
            return [account_not_checked("no AWS credentials were found")]
        clients = AccountClients(
            session.client("bedrock", config=ACCOUNT_CALLS),
            session.client("service-quotas", config=ACCOUNT_CALLS),
        )
        # The caller may have fewer permissions than the stack.
        return check_account(clients, wanted, must_know=False)
    except (AwsUnavailableError, BotoCoreError) as error:
        return [account_not_checked(str(error))]


@contextlib.contextmanager
def _endpoint(hub: str) -> Iterator[str]:
    if hub.startswith(("http://", "https://")):
        yield hub.rstrip("/")
        return
    # Only a folder needs the local Hub.
    from model_import_cli.folder_hub.server import LocalHub  # noqa: PLC0415

    if not Path(hub).is_dir():
        raise click.BadParameter(
            f"{hub} is neither a folder nor an http(s) URL", param_hint="--hub"
        )
    with LocalHub.from_directory(Path(hub)) as server:
        yield server.endpoint
