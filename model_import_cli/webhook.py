"""`model-import webhook`: the Hub tells a stack of releases."""

from __future__ import annotations

import os

import boto3
import click
from httpx2 import HTTPError
from huggingface_hub import HfApi

from model_import.release.policy import Policy
from model_import_cli.stack_outputs import read_outputs, stack_option, telling_aws_errors
from model_import_cli.watch import StoredPolicy

_UNLESS = "deploy it with ReleaseWebhook=ENABLED"


@click.group()
def webhook() -> None:
    """Have the Hub tell the stack of releases within seconds."""


@webhook.command()
@click.option("--hub", help="URL of the Hub; the stack's by default.")
@click.option(
    "--user", "users", multiple=True, help="A watched author that is a user, no organisation."
)
@stack_option
@telling_aws_errors
def create(hub: str | None, users: tuple[str, ...], stack: str) -> None:
    """Register the stack's URL and secret at the Hub, for all that the policy watches.

    HF_TOKEN must hold a token that may write webhooks. The secret is not printed.
    """
    token = os.environ.get("HF_TOKEN")
    if not token:
        raise click.ClickException("Set HF_TOKEN to a token of the Hub that may write webhooks.")
    outputs = read_outputs(stack)
    url = outputs.get("WebhookUrl", _UNLESS)
    watched = watched_items(Policy.from_json(StoredPolicy.of(outputs).read()), users)
    if not watched:
        raise click.ClickException("The policy watches nothing: model-import watch add ORG/NAME")
    secret = boto3.client("secretsmanager").get_secret_value(
        SecretId=outputs.get("WebhookSecretArn", _UNLESS)
    )["SecretString"]
    try:
        made = HfApi(
            endpoint=(hub or outputs.parameters["HubEndpoint"]).rstrip("/"), token=token
        ).create_webhook(
            url=url,
            watched=watched,  # type: ignore[arg-type]  # the library's type is invariant
            domains=["repo"],
            secret=secret,
        )
    except HTTPError as error:
        # Without the request: it has the secret in it.
        raise click.ClickException(f"The Hub refuses the webhook: {error}") from None
    names = ", ".join(item["name"] for item in watched)
    click.echo(f"Webhook {made.id} tells {url} of {names}")


def watched_items(policy: Policy, users: tuple[str, ...]) -> list[dict[str, str]]:
    """Return what a webhook watches for a policy: repositories by name, else their author."""
    items = []
    for author, patterns in policy.patterns_by_author().items():
        if any(wildcard in pattern for pattern in patterns for wildcard in "*?"):
            items.append({"type": "user" if author in users else "org", "name": author})
        else:
            items += [{"type": "model", "name": pattern} for pattern in patterns]
    return items
