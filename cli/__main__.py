"""`model-import`, the commands together."""

from __future__ import annotations

import click

from cli.check import check
from cli.teardown import teardown


@click.group()
def main() -> None:
    """From a Hugging Face repository id to a model on Amazon Bedrock."""


main.add_command(check)
main.add_command(teardown)

if __name__ == "__main__":
    main(prog_name="model-import")
