"""`model-import teardown`: removes a stack and the resources that deleting it would leave."""

from __future__ import annotations

import sys
from typing import Final

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError

from model_import_cli.leftovers import STACK, Clients, RemovalRefusedError, StackRemains

_CLEAN, _LEFT, _NOT_DONE = 0, 1, 2
_ROUNDS: Final = 2
"""Deleting the stack deletes most resources, so the remaining ones are listed again after it."""


@click.command()
@click.argument("stack_name")
@click.option("--region", help="Region of the stack; by default that of the AWS configuration.")
@click.option("--dry-run", is_flag=True, help="List what would be removed, and remove nothing.")
@click.option("--audit", is_flag=True, help="Remove nothing; exit code 1 if anything is left.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def teardown(stack_name: str, region: str | None, *, dry_run: bool, audit: bool, yes: bool) -> None:
    """Remove STACK_NAME and its staged objects, images, log groups and imported models.

    Also removes what an already deleted stack has left. Exit code 0: no billed resource is left.
    1: the listed resources are left. 2: the teardown failed, for the reason printed.
    """
    remains = StackRemains(_clients(region), stack_name)
    try:
        if dry_run or audit:
            left = _list(remains)
            sys.exit(_LEFT if left and audit else _CLEAN)
        _remove(remains, yes=yes)
        sys.exit(_LEFT if _list(remains) else _CLEAN)
    except (BotoCoreError, ClientError, RemovalRefusedError) as error:
        click.echo(f"{type(error).__name__}: {error}", err=True)
        sys.exit(_NOT_DONE)


def _clients(region: str | None) -> Clients:
    return Clients(
        bedrock=boto3.client("bedrock", region_name=region),
        cloudformation=boto3.client("cloudformation", region_name=region),
        ecr=boto3.client("ecr", region_name=region),
        logs=boto3.client("logs", region_name=region),
        s3=boto3.client("s3", region_name=region),
        stepfunctions=boto3.client("stepfunctions", region_name=region),
    )


def _list(remains: StackRemains) -> int:
    """Print the resources that are left and return their number."""
    left = remains.find()
    for item in left:
        click.echo(f"left: {item}")
    if not left:
        click.echo("No billed resource of the stack is left.")
    return len(left)


def _remove(remains: StackRemains, *, yes: bool) -> None:
    if running := remains.running_executions():
        click.echo(f"Executions are running; stop them first: {', '.join(running)}", err=True)
        sys.exit(_NOT_DONE)
    found = remains.find()
    for item in found:
        click.echo(f"found: {item}")
    if found and not yes:
        click.confirm("Permanently remove all of these?", abort=True)
    for _ in range(_ROUNDS):
        for item in found:
            if item.remove is not None:
                item.remove()
                click.echo(f"removed: {item.kind} {item.name}")
            if item.kind == STACK:
                break
        found = remains.find()
