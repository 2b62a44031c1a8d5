"""The deployed stack that its tests run against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import boto3


@dataclass(frozen=True)
class DeployedStack:
    """A stack in an account: its outputs and its state machine."""

    outputs: dict[str, str]

    def state_machine(self) -> dict[str, Any]:
        """Return the answer of DescribeStateMachine."""
        arn = self.outputs["StateMachineArn"]
        described: Any = boto3.client("stepfunctions").describe_state_machine(stateMachineArn=arn)
        found: dict[str, Any] = described
        return found
