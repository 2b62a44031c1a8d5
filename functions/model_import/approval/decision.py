"""What may be decided about an import."""

from __future__ import annotations

from enum import StrEnum


class Decision(StrEnum):
    """One of two, spelt as in a link."""

    APPROVE = "approve"
    DECLINE = "decline"

    @property
    def done(self) -> str:
        """Return what an import then is."""
        return f"{self}d"
