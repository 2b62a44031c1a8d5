"""`model-import`, the group of all commands."""

from __future__ import annotations

import click

from model_import_cli.check import check
from model_import_cli.teardown import teardown
from model_import_cli.watch import watch
from model_import_cli.webhook import webhook


@click.group()
@click.version_option(package_name="model-import")
def main() -> None:
    """Import Hugging Face models into Amazon Bedrock."""


for command in (check, watch, webhook, teardown):
    main.add_command(command)

if __name__ == "__main__":
    main(prog_name="model-import")
