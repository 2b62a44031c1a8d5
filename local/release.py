"""Follows one release from the Hub's delivery to the model, for `python -m local release`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final

from local.deployment.execution import FollowedExecution
from local.deployment.webhook_delivery import deliver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.deployment.local_aws import LocalAws

_POLL_SECONDS: Final = 0.1
_START_SECONDS_AT_MOST: Final = 30


def watch_repository(aws: LocalAws, repo_id: str) -> None:
    """Set the stack's policy to watch one repository only."""
    aws.account.client("ssm").put_parameter(
        Name=aws.stack.outputs["ReleasePolicyName"],
        Value=json.dumps({"watch": [repo_id], "settle_seconds": 60}),
        Type="String",
        Overwrite=True,
    )


def follow_release(aws: LocalAws, delivery: bytes) -> Iterator[FollowedExecution]:
    """Deliver a payload; yield the execution that decides, then the import that it starts.

    Follow the first to its end before you take the second.

    Raises:
        RuntimeError: The delivery was refused, or started nothing.
    """
    status = deliver(aws, delivery)
    release = _first_execution(aws) if status == 202 else None  # noqa: PLR2004 – Accepted
    if release is None:
        raise RuntimeError(f"The delivery was answered with {status} and started nothing")
    yield release
    if arn := release.output().get("execution_arn"):
        yield FollowedExecution(aws, arn)


def _first_execution(aws: LocalAws) -> FollowedExecution | None:
    client = aws.account.client("stepfunctions")
    machine = aws.stack.outputs["ReleaseStateMachineArn"]
    ends_at = time.monotonic() + _START_SECONDS_AT_MOST
    while time.monotonic() < ends_at:
        if found := client.list_executions(stateMachineArn=machine)["executions"]:
            return FollowedExecution(aws, found[0]["executionArn"])
        time.sleep(_POLL_SECONDS)
    return None
