"""A release, as the webhook and the watch report it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Release:
    """The newest commit of the tracked branch of a model repository."""

    repo_id: str
    commit: str
