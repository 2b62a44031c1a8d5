"""`model-import webhook`: the Hub notifies a stack of releases."""

from __future__ import annotations

import os

import boto3
import click
from httpx2 import HTTPError
from huggingface_hub import HfApi

from model_import.release.policy import Policy
from model_import_cli.stack_outputs import read_outputs, report_aws_errors, stack_option
from model_import_cli.watch import StoredPolicy

_REMEDY = "Deploy it with ReleaseWebhook=ENABLED."


@click.group()
def webhook() -> None:
    """Have the Hub notify the stack of releases within seconds."""


@webhook.command()
@click.option("--hub", help="URL of the Hub; the stack's by default.")
@click.option(
    "--user", "users", multiple=True, help="Watched author that is a user, not an organisation."
)
@stack_option
@report_aws_errors
def create(hub: str | None, users: tuple[str, ...], stack: str) -> None:
    """Register the stack's URL and secret at the Hub, for everything that the policy watches.

    Set HF_TOKEN to a token that can write webhooks. The secret is not printed.
    """
    token = os.environ.get("HF_TOKEN")
    if not token:
        raise click.ClickException(
            "HF_TOKEN is not set. Set it to a Hub token that can write webhooks."
        )
    outputs = read_outputs(stack)
    url = outputs.get("WebhookUrl", _REMEDY)
    watched = watched_items(Policy.from_json(StoredPolicy.of(outputs).read()), users)
    if not watched:
        raise click.ClickException(
            "The policy watches nothing. Run: model-import watch add ORG/NAME"
        )
    secret = boto3.client("secretsmanager").get_secret_value(
        SecretId=outputs.get("WebhookSecretArn", _REMEDY)
    )["SecretString"]
    try:
        created = HfApi(
            endpoint=(hub or outputs.parameters["HubEndpoint"]).rstrip("/"), token=token
        ).create_webhook(
            url=url,
            watched=watched,  # type: ignore[arg-type]  # the library's type is invariant
            domains=["repo"],
            secret=secret,
        )
    except HTTPError as error:
        # `from None` hides the request, which contains the secret.
        raise click.ClickException(f"The Hub refused the webhook: {error}") from None
    names = ", ".join(item["name"] for item in watched)
    click.echo(f"Webhook {created.id} notifies {url} of {names}")


def watched_items(policy: Policy, users: tuple[str, ...]) -> list[dict[str, str]]:
    """Return what a webhook watches for a policy.

    An author is watched as a whole if a pattern has a wildcard; otherwise each repository is.
    """
    items = []
    for author, patterns in policy.patterns_by_author().items():
        if any(wildcard in pattern for pattern in patterns for wildcard in "*?"):
            items.append({"type": "user" if author in users else "org", "name": author})
        else:
            items += [{"type": "model", "name": pattern} for pattern in patterns]
    return items
