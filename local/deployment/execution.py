"""Starts one execution in the local AWS and follows its history to the end."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from local.aws.moto_engine import ENDS, HISTORY_EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.deployment.local_aws import LocalAws

_POLL_SECONDS: Final = 0.1
_WAIT_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an execution ended, in the form that `--json` prints."""

    status: str
    error: str | None
    cause: str | None
    findings: list[dict[str, Any]]
    model_arn: str | None
    model_name: str | None
    answer: str | None
    states: list[str]
    manifest: str | None
    seconds: float


class FollowedExecution:
    """One execution; iterate over `states_entered` while it runs, then take its `outcome`."""

    def __init__(self, aws: LocalAws, arn: str) -> None:
        """Follow an execution that has started."""
        self._client = aws.account.client("stepfunctions")
        self._started = time.monotonic()
        self.arn = arn

    @property
    def name(self) -> str:
        """Return its name, which is part of the keys of its records."""
        return self.arn.rpartition(":")[2]

    def states_entered(self, on_poll: Callable[[], None] = lambda: None) -> Iterator[str]:
        """Yield the names of states as they are entered, until the execution has ended.

        `on_poll` is called between two looks at the history.
        """
        seen = 0
        running = True
        looked_at = None
        while running:
            happened = (HISTORY_EVENTS.count, ENDS.count)
            if happened != looked_at:
                looked_at = happened
                # Status before history, so that the last history has every state.
                running = self._describe()["status"] == "RUNNING"
                names = self._state_names(self.history())
                yield from names[seen:]
                seen = len(names)
            on_poll()
            if running:
                time.sleep(_POLL_SECONDS)

    def wait(self) -> None:
        """Wait for its end."""
        ends = ENDS.count
        while self._describe()["status"] == "RUNNING":
            ENDS.wait(ends, _WAIT_SECONDS)
            ends = ENDS.count

    def outcome(self) -> Outcome:
        """Return how it ended."""
        described, history = self._describe(), self.history()
        output = json.loads(described.get("output") or "{}")
        validated = _last_output(history, "Validate Repository")
        prepared = _last_output(history, "Prepare Repository")
        plan = validated.get("plan", {})
        return Outcome(
            status=described["status"],
            error=described.get("error"),
            cause=described.get("cause"),
            findings=validated.get("findings", []),
            model_arn=output.get("model_arn"),
            model_name=output.get("model_name") or plan.get("model_name"),
            answer=output.get("smoke_test", {}).get("answer"),
            states=self._state_names(history),
            manifest=prepared.get("manifest_uri"),
            seconds=round(time.monotonic() - self._started, 1),
        )

    def output(self) -> dict[str, Any]:
        """Return its output, {} if it has none."""
        output: dict[str, Any] = json.loads(self._describe().get("output") or "{}")
        return output

    def history(self) -> list[dict[str, Any]]:
        """Return the events of the execution."""
        pages = self._client.get_paginator("get_execution_history").paginate(
            executionArn=self.arn, includeExecutionData=True
        )
        return [event for page in pages for event in page["events"]]

    def _describe(self) -> dict[str, Any]:
        described: dict[str, Any] = self._client.describe_execution(executionArn=self.arn)
        return described

    @staticmethod
    def _state_names(history: list[dict[str, Any]]) -> list[str]:
        return [
            event["stateEnteredEventDetails"]["name"]
            for event in history
            if "stateEnteredEventDetails" in event
        ]


class Execution(FollowedExecution):
    """A new execution of the import state machine."""

    def __init__(self, aws: LocalAws, execution_input: object, name: str | None = None) -> None:
        """Start it."""
        request = {"stateMachineArn": aws.stack.state_machine_arn}
        if name:
            request["name"] = name
        client = aws.account.client("stepfunctions")
        started = client.start_execution(input=json.dumps(execution_input), **request)
        super().__init__(aws, started["executionArn"])


def _last_output(history: list[dict[str, Any]], state: str) -> dict[str, Any]:
    """Return the last payload that the state's function returned, {} if there is none."""
    entered = None
    payload: dict[str, Any] = {}
    for event in history:
        if details := event.get("stateEnteredEventDetails"):
            entered = details["name"]
        elif entered == state and (done := event.get("taskSucceededEventDetails")):
            payload = json.loads(done["output"])["Payload"]
    return payload
