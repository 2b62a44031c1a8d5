"""A release, as the webhook and the watch both tell of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Release:
    """A commit that the tracked branch of a model repository has been moved to."""

    repo_id: str
    commit: str
