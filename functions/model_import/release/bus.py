"""Puts the events of releases on the default bus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model_import.aws.event_bus import publish_events

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy_boto3_events import EventBridgeClient

    from model_import.release.pushed_release import Release

SOURCE: Final = "huggingface.hub"
MODEL_RELEASED: Final = "Model Released"


def publish_releases(events: EventBridgeClient, releases: Iterable[Release]) -> None:
    """Put a `Model Released` event for each release; duplicates are harmless.

    Raises:
        EventNotPublishedError: EventBridge accepted only some of them, or none.
        ClientError: EventBridge refused.
    """
    details = ({"repo_id": release.repo_id, "revision": release.commit} for release in releases)
    publish_events(events, SOURCE, MODEL_RELEASED, details)
