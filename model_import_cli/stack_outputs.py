"""The outputs and parameters of a deployed stack, for commands that receive its name."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

STACK_NAME: Final = "model-import"


@dataclass(frozen=True, slots=True)
class StackOutputs:
    """The outputs of a stack, and the parameters that it was deployed with."""

    stack: str
    values: dict[str, str]
    parameters: dict[str, str]

    def get(self, name: str, remedy: str) -> str:
        """Return an output; `remedy` says how to deploy a stack that has it.

        Raises:
            ClickException: The stack has no output of that name.
        """
        if name in self.values:
            return self.values[name]
        raise click.ClickException(f"The stack {self.stack} has no output {name}. {remedy}")


def read_outputs(stack: str) -> StackOutputs:
    """Return the outputs of a stack in the account and Region of this shell."""
    described = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    return StackOutputs(
        stack,
        {entry["OutputKey"]: entry["OutputValue"] for entry in described.get("Outputs", [])},
        {e["ParameterKey"]: e["ParameterValue"] for e in described.get("Parameters", [])},
    )


def report_aws_errors[**P, R](command: Callable[P, R]) -> Callable[P, R]:
    """Return a command that reports AWS errors and failed connections to AWS in one line."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> Any:  # noqa: ANN401 – what the command returns
        try:
            return command(*args, **kwargs)
        except (BotoCoreError, ClientError) as error:
            raise click.ClickException(str(error)) from error

    return run


stack_option: Final = click.option(
    "--stack", default=STACK_NAME, show_default=True, help="Name of the deployed stack."
)
