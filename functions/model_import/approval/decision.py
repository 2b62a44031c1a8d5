"""The decisions that a person can make about an import."""

from __future__ import annotations

from enum import StrEnum


class Decision(StrEnum):
    """A decision, spelled as in a link."""

    APPROVE = "approve"
    DECLINE = "decline"

    @property
    def done(self) -> str:
        """Return the past participle: approved or declined."""
        return f"{self}d"
