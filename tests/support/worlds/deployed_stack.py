"""The stack in an account that the tests of it are about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import boto3


@dataclass(frozen=True)
class DeployedStack:
    """A stack in an account: its outputs, and what the state machine is."""

    outputs: dict[str, str]

    def state_machine(self) -> dict[str, Any]:
        """Return what DescribeStateMachine tells."""
        arn = self.outputs["StateMachineArn"]
        described: Any = boto3.client("stepfunctions").describe_state_machine(stateMachineArn=arn)
        found: dict[str, Any] = described
        return found
