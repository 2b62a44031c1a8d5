"""Turns the events that a stack puts on the bus into announcements."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from model_import.announcement.console_links import execution_link, object_link, playground_link
from model_import.announcement.message import Announcement, Link
from model_import.forecast.wording import FORECAST_LABELS, amount, duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_OTHER: Final = "other"
_WARNINGS_SHOWN: Final = 20


def announcement_of(detail_type: str, at: datetime, detail: dict[str, Any]) -> Announcement:
    """Return the announcement of an event.

    An event of an unknown type, or with an unexpected detail, is announced as JSON, so that no
    event is lost.
    """
    if compose := _COMPOSERS.get(detail_type):
        try:
            return compose(at, detail)
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            pass  # announced as JSON
    repo_id = str(detail.get("repo_id") or "")
    return Announcement(
        kind=_OTHER,
        repo_id=repo_id,
        subject=f"{detail_type}: {repo_id}" if repo_id else detail_type,
        lines=(json.dumps(detail, ensure_ascii=False, indent=1),),
    )


def _started(_at: datetime, detail: dict[str, Any]) -> Announcement:
    return Announcement(
        kind="started",
        repo_id=_repository(detail),
        subject=f"Import started: {detail['repo_id']}",
        lines=(
            f"{_commit(detail)} is being imported as {detail['model_name']}.",
            f"Started at {_moment(detail['started_at'])}.",
            *_forecast(detail),
            *_warnings(detail),
        ),
        links=(_execution(detail),),
    )


def _succeeded(at: datetime, detail: dict[str, Any]) -> Announcement:
    used = detail["action"] == "use"
    return Announcement(
        kind="succeeded",
        repo_id=_repository(detail),
        subject=f"{'Already imported' if used else 'Imported'}: {detail['repo_id']}",
        lines=(
            f"{_commit(detail)} is imported as {detail['model_name']} and passed its smoke test.",
            f"Model: {detail['model_arn']}",
            _duration(at, detail),
            *_forecast(detail),
        ),
        links=(*_playground(detail), _execution(detail), *_manifest(detail)),
    )


def _failed(at: datetime, detail: dict[str, Any]) -> Announcement:
    kept = detail.get("model_arn")
    return Announcement(
        kind="failed",
        repo_id=str(detail["repo_id"] or ""),
        subject=f"Import failed: {detail['repo_id'] or 'unknown repository'} ({detail['error']})",
        lines=(
            f"{detail['error']}: {detail['cause']}",
            "",
            f"Source: {_commit(detail)}",
            *([f"The model is kept, and its storage is billed: {kept}"] if kept else []),
            _duration(at, detail),
            *_forecast(detail),
        ),
        links=(_execution(detail), *_playground(detail), *_manifest(detail)),
    )


def _release_refused(_at: datetime, detail: dict[str, Any]) -> Announcement:
    return Announcement(
        kind="release_refused",
        repo_id=_repository(detail),
        subject=f"Release refused: {detail['repo_id']}",
        lines=(
            f"{_commit(detail)} was released but is not imported:",
            *(f"- {objection}" for objection in detail["objections"]),
        ),
        links=(_execution(detail),),
    )


def _release_failed(_at: datetime, detail: dict[str, Any]) -> Announcement:
    repo_id = str(detail["release"].get("repo_id") or "")
    return Announcement(
        kind="release_failed",
        repo_id=repo_id,
        subject=f"Release failed: {repo_id or 'unknown repository'} ({detail['error']})",
        lines=(f"{detail['error']}: {detail['cause']}",),
        links=(_execution(detail),),
    )


_COMPOSERS: Final[dict[str, Callable[[datetime, dict[str, Any]], Announcement]]] = {
    "Model Import Started": _started,
    "Model Import Succeeded": _succeeded,
    "Model Import Failed": _failed,
    "Model Release Refused": _release_refused,
    "Model Release Failed": _release_failed,
}
"""By detail type, for every event that the state machines put."""


def _repository(detail: dict[str, Any]) -> str:
    if not isinstance(detail["repo_id"], str):
        raise TypeError("The event does not name a repository")
    return detail["repo_id"]


def _commit(detail: dict[str, Any]) -> str:
    """Return repository and commit; an import that failed early may lack either."""
    repo_id, commit = detail.get("repo_id") or "unknown repository", detail.get("commit")
    return f"{repo_id} at {commit}" if commit else str(repo_id)


def _moment(iso: str) -> str:
    return f"{datetime.fromisoformat(iso).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _duration(at: datetime, detail: dict[str, Any]) -> str:
    # An event's time is in whole seconds, so it can be before the start of a short execution.
    seconds = max(0, round((at - datetime.fromisoformat(detail["started_at"])).total_seconds()))
    return f"Took {duration(seconds)}, from {_moment(detail['started_at'])}."


def _forecast(detail: dict[str, Any]) -> Iterator[str]:
    if figures := detail.get("forecast"):
        amounts = [
            f"{label.lower()} {amount(name, figures[name])}"
            for name, label in FORECAST_LABELS.items()
        ]
        yield f"Forecast: {', '.join(amounts)}."


def _warnings(detail: dict[str, Any]) -> Iterator[str]:
    findings = detail.get("findings") or []
    for finding in findings[:_WARNINGS_SHOWN]:
        yield f"- {finding['code']}: {finding['found']}"
    if len(findings) > _WARNINGS_SHOWN:
        yield f"- and {len(findings) - _WARNINGS_SHOWN} more"


def _execution(detail: dict[str, Any]) -> Link:
    return Link("Execution", execution_link(detail["execution_arn"]))


def _playground(detail: dict[str, Any]) -> Iterator[Link]:
    if arn := detail.get("model_arn"):
        yield Link("Playground", playground_link(arn))


def _manifest(detail: dict[str, Any]) -> Iterator[Link]:
    if uri := detail.get("manifest_uri"):
        yield Link("Manifest", object_link(uri, detail["execution_arn"]))
