"""`model-import watch`: the policy that decides which Hub releases are imported."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import Any, Final

import boto3
import click

from model_import.errors import ModelImportError, PolicyInvalidError
from model_import.release.judgement import ReleaseJudge
from model_import.release.policy import Policy
from model_import_cli.stack_outputs import (
    StackOutputs,
    read_outputs,
    report_aws_errors,
    stack_option,
)

_WANTED, _REFUSED, _NOT_JUDGED = 0, 1, 2
_EMPTY: Final = '{"watch": [], "settle_seconds": 600}'


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """The document in the stack's SSM parameter."""

    parameter_name: str

    @classmethod
    def of(cls, outputs: StackOutputs) -> StoredPolicy:
        """Return the stored policy of a stack."""
        return cls(outputs.get("ReleasePolicyName", "Deploy its current template."))

    def read(self) -> str:
        """Return the document as stored; an empty policy if there is none."""
        ssm = boto3.client("ssm")
        try:
            return ssm.get_parameter(Name=self.parameter_name)["Parameter"]["Value"]
        except ssm.exceptions.ParameterNotFound:
            return _EMPTY

    def read_document(self) -> dict[str, Any]:
        """Check the document and return it parsed."""
        text = self.read()
        _check(text)
        document: dict[str, Any] = json.loads(text)
        return document

    def write(self, document: dict[str, Any]) -> None:
        """Check a document and store it."""
        text = json.dumps(document)
        _check(text)
        boto3.client("ssm").put_parameter(
            Name=self.parameter_name,
            Value=text,
            Type="String",
            Tier="Intelligent-Tiering",
            Overwrite=True,
        )


def _check(text: str) -> Policy:
    try:
        return Policy.from_json(text)
    except PolicyInvalidError as error:
        raise click.ClickException(str(error)) from error


@click.group()
def watch() -> None:
    """Choose which Hub releases are imported automatically, and within what limits."""


@watch.command()
@click.argument("patterns", nargs=-1, required=True, metavar="ORG/NAME…")
@click.option("--settle-seconds", type=int, help="Seconds without a push before an import.")
@click.option("--licence", "licences", multiple=True, help="Accept only the named licences.")
@click.option("--model-type", "model_types", multiple=True, help="Accept only the named types.")
@click.option(
    "--except", "excepted", multiple=True, metavar="ORG/NAME", help="Do not import these."
)
@click.option("--bytes-at-most", type=int, help="Limit for all weights together.")
@click.option(
    "--usd-per-active-hour-at-most", type=float, help="Limit for the forecast of one copy."
)
@stack_option
@report_aws_errors
def add(  # noqa: PLR0913, PLR0917 – options of a command
    patterns: tuple[str, ...],
    settle_seconds: int | None,
    licences: tuple[str, ...],
    model_types: tuple[str, ...],
    excepted: tuple[str, ...],
    bytes_at_most: int | None,
    usd_per_active_hour_at_most: float | None,
    stack: str,
) -> None:
    """Import releases of ORG/NAME, or of ORG/PATTERN with * and ?.

    The options limit everything that is watched. A list option adds to the stored list; a number
    replaces the stored number. Options other than numbers may be repeated.
    """
    stored = StoredPolicy.of(read_outputs(stack))
    document = stored.read_document()
    more = {"watch": patterns, "licences": licences, "model_types": model_types, "except": excepted}
    for name, values in more.items():
        if values:
            document[name] = list(dict.fromkeys([*document.get(name, ()), *values]))
    limits = {
        "settle_seconds": settle_seconds,
        "weights_bytes_at_most": bytes_at_most,
        "usd_per_active_hour_at_most": usd_per_active_hour_at_most,
    }
    stored.write(document | {name: limit for name, limit in limits.items() if limit is not None})
    click.echo(f"{stack} imports releases of {', '.join(document['watch'])}")


@watch.command()
@click.argument("patterns", nargs=-1, required=True, metavar="ORG/NAME…")
@stack_option
@report_aws_errors
def remove(patterns: tuple[str, ...], stack: str) -> None:
    """Stop importing releases of ORG/NAME, given exactly as it was added."""
    stored = StoredPolicy.of(read_outputs(stack))
    document = stored.read_document()
    if unknown := [pattern for pattern in patterns if pattern not in document["watch"]]:
        watched = ", ".join(document["watch"]) or "nothing"
        raise click.ClickException(
            f"{', '.join(unknown)} is not watched. The policy watches {watched}."
        )
    document["watch"] = [name for name in document["watch"] if name not in patterns]
    stored.write(document)
    click.echo(f"{stack} imports releases of {', '.join(document['watch']) or 'nothing'}")


@watch.command("list")
@stack_option
@report_aws_errors
def show(stack: str) -> None:
    """Print the stored policy."""
    text = StoredPolicy.of(read_outputs(stack)).read()
    _check(text)
    click.echo(json.dumps(json.loads(text), indent=2, ensure_ascii=False))


@watch.command()
@click.argument("repo_id")
@click.option("--revision", help="Branch, tag or commit; the tracked branch by default.")
@click.option("--hub", help="URL of the Hub; the stack's by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@stack_option
@report_aws_errors
def explain(
    repo_id: str, revision: str | None, hub: str | None, stack: str, *, as_json: bool
) -> None:
    """Explain whether a release of REPO_ID would be imported now, with every reason.

    Reads the Hub as the stack does and starts nothing. For a gated repository, set HF_TOKEN.
    Exit code 0: it would be imported. 1: it would not. 2: it could not be judged.
    """
    outputs = read_outputs(stack)
    policy = _check(StoredPolicy.of(outputs).read())
    judge = ReleaseJudge(
        hub_endpoint=(hub or outputs.parameters["HubEndpoint"]).rstrip("/"),
        hub_token=os.environ.get("HF_TOKEN") or None,
        region=boto3.client("cloudformation").meta.region_name,
        branch=outputs.parameters["TrackedBranch"],
        hub_ca_bundle=os.environ.get("REQUESTS_CA_BUNDLE") or None,
    )
    release = {"repo_id": repo_id} | ({"revision": revision} if revision else {})
    try:
        judgement = judge.judge(release, policy)
    except ModelImportError as error:
        click.echo(f"{type(error).__name__}: {error}", err=True)
        sys.exit(_NOT_JUDGED)
    if as_json:
        click.echo(json.dumps(judgement.to_dict(), ensure_ascii=False))
    else:
        commit = f" at {judgement.commit}" if judgement.commit else ""
        click.echo(f"{judgement.repo_id}{commit}: {judgement.outcome}")
        for objection in judgement.objections:
            click.echo(f"- {objection}")
        if judgement.execution_name:
            click.echo(f"The execution would be named {judgement.execution_name}")
    sys.exit(_WANTED if judgement.outcome == "wanted" else _REFUSED)
