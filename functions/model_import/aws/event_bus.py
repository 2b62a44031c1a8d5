"""Puts events on the default bus."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy_boto3_events import EventBridgeClient

_ENTRIES_AT_MOST: Final = 10
# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html


class EventNotPublishedError(Exception):
    """EventBridge did not accept an event; the caller must put it again."""

    def __init__(self, detail_type: str, codes: list[str]) -> None:
        super().__init__(f"EventBridge refused {detail_type!r}: {', '.join(codes) or 'no reason'}.")


def publish_events(
    events: EventBridgeClient, source: str, detail_type: str, details: Iterable[dict[str, Any]]
) -> None:
    """Put an event of one type for each detail.

    Raises:
        EventNotPublishedError: EventBridge accepted only some of them, or none.
        ClientError: EventBridge refused.
    """
    entries = [
        {"Source": source, "DetailType": detail_type, "Detail": json.dumps(detail)}
        for detail in details
    ]
    for start in range(0, len(entries), _ENTRIES_AT_MOST):
        answer = events.put_events(Entries=entries[start : start + _ENTRIES_AT_MOST])  # type: ignore[arg-type]  # the stub wants literals
        if answer["FailedEntryCount"]:
            codes = {entry.get("ErrorCode", "") for entry in answer["Entries"]}
            raise EventNotPublishedError(detail_type, sorted(codes - {""}))
