"""EventBridge on one machine: the delivery to targets, which moto lacks."""

from __future__ import annotations

import json
import threading
import uuid
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from moto.events.models import EventPattern

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_stepfunctions import SFNClient

    from local.aws.lambda_functions import LambdaFunction

_ASYNCHRONOUS_TRIES: Final = 3


@dataclass(slots=True)
class EventBus:
    """Keeps the events that were put, and starts the executions and functions that rules target."""

    account_id: str
    region: str
    eventbridge: EventBridgeClient
    stepfunctions: SFNClient
    functions: dict[str, LambdaFunction]
    events: list[dict[str, Any]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _invoker: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(max_workers=1), init=False
    )
    _invocations: list[Future[None]] = field(default_factory=list, init=False)

    def close(self) -> None:
        """Wait for the running functions, and start no more."""
        self._invoker.shutdown(cancel_futures=True)

    def settle(self) -> None:
        """Wait until the functions have finished for every event so far."""
        wait(self._invocations)

    def deliver(self, entries: list[dict[str, Any]]) -> None:
        """Deliver the entries of an accepted PutEvents call."""
        for entry in entries:
            event = {
                "version": "0",
                "id": str(uuid.uuid4()),
                "time": datetime.now(UTC).isoformat(),
                "account": self.account_id,
                "region": self.region,
                "source": entry["Source"],
                "detail-type": entry["DetailType"],
                "resources": entry.get("Resources", []),
                "detail": json.loads(entry["Detail"]),
            }
            with self._lock:
                self.events.append(event)
            self._reach_targets(event)

    def _reach_targets(self, event: dict[str, Any]) -> None:
        for rule in self.eventbridge.list_rules()["Rules"]:
            pattern = rule.get("EventPattern")
            if rule.get("State") != "ENABLED" or not pattern:
                continue
            # moto matches patterns, but has no TestEventPattern.
            if not EventPattern.load(pattern).matches_event(cast("Any", event)):
                continue
            for target in self.eventbridge.list_targets_by_rule(Rule=rule["Name"])["Targets"]:
                part = json.dumps(_input(event, target.get("InputPath", "$")))
                if ":stateMachine:" in target["Arn"]:
                    self.stepfunctions.start_execution(stateMachineArn=target["Arn"], input=part)
                elif function := self.functions.get(target["Arn"]):
                    # Asynchronous as in Lambda: PutEvents does not wait for the function.
                    self._invocations.append(self._invoker.submit(_invoke, function, part.encode()))


def _invoke(function: LambdaFunction, event: bytes) -> None:
    """Invoke as Lambda does asynchronously: retry twice if the function raises."""
    for _ in range(_ASYNCHRONOUS_TRIES):
        if not function.invoke(event).raised:
            return


def _input(event: dict[str, Any], path: str) -> Any:  # noqa: ANN401 – any JSON
    value: Any = event
    for name in path.removeprefix("$").split("."):
        value = value[name] if name else value
    return value
