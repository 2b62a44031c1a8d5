"""Events of the pipeline on the default bus."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy_boto3_events import EventBridgeClient

    from model_import.release.pushed_release import Release

SOURCE: Final = "huggingface.hub"
MODEL_RELEASED: Final = "Model Released"
_ENTRIES_AT_MOST: Final = 10
# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html


class EventNotPublishedError(Exception):
    """EventBridge did not take an event; what has to be told is to be told again."""

    def __init__(self, detail_type: str, codes: list[str]) -> None:
        super().__init__(f"EventBridge refused {detail_type!r}: {', '.join(codes) or 'no reason'}.")


def publish_releases(events: EventBridgeClient, releases: Iterable[Release]) -> None:
    """Put a `Model Released` event for each release; a release may be told more than once.

    Raises:
        EventNotPublishedError: EventBridge took some of them only, or none.
        ClientError: EventBridge refused.
    """
    entries = [
        {
            "Source": SOURCE,
            "DetailType": MODEL_RELEASED,
            "Detail": json.dumps({"repo_id": release.repo_id, "revision": release.commit}),
        }
        for release in releases
    ]
    for start in range(0, len(entries), _ENTRIES_AT_MOST):
        answer = events.put_events(Entries=entries[start : start + _ENTRIES_AT_MOST])  # type: ignore[arg-type]  # the stub wants literals
        if answer["FailedEntryCount"]:
            codes = {entry.get("ErrorCode", "") for entry in answer["Entries"]}
            raise EventNotPublishedError(MODEL_RELEASED, sorted(codes - {""}))
