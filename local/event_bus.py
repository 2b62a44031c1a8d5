"""EventBridge on one machine: what moto lacks of it, the delivery to state machines."""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from moto.events.models import EventPattern

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_stepfunctions import SFNClient


@dataclass(slots=True)
class EventBus:
    """Keeps the events that were put, and starts the executions that rules ask for."""

    account_id: str
    region: str
    eventbridge: EventBridgeClient
    stepfunctions: SFNClient
    events: list[dict[str, Any]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def deliver(self, entries: list[dict[str, Any]]) -> None:
        """Deliver the entries of a PutEvents that was accepted."""
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
            self._start_executions(event)

    def _start_executions(self, event: dict[str, Any]) -> None:
        for rule in self.eventbridge.list_rules()["Rules"]:
            pattern = rule.get("EventPattern")
            if rule.get("State") != "ENABLED" or not pattern:
                continue
            # moto matches patterns and has no TestEventPattern.
            if not EventPattern.load(pattern).matches_event(cast("Any", event)):
                continue
            for target in self.eventbridge.list_targets_by_rule(Rule=rule["Name"])["Targets"]:
                if ":stateMachine:" in target["Arn"]:
                    part = _input(event, target.get("InputPath", "$"))
                    self.stepfunctions.start_execution(
                        stateMachineArn=target["Arn"], input=json.dumps(part)
                    )


def _input(event: dict[str, Any], path: str) -> Any:  # noqa: ANN401 – any JSON
    value: Any = event
    for name in path.removeprefix("$").split("."):
        value = value[name] if name else value
    return value
