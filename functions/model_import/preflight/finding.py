"""One thing that preflight has to say about a repository."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Self

type Severity = Literal["error", "normalised", "warning"]

_LEGIBLE_CHARACTERS: Final = 500


def legible(text: str) -> str:
    """Return a text out of a repository so that it can be sent on, whatever its author put there.

    It is cut, and what UTF-8 cannot carry is escaped.
    """
    head = text[:_LEGIBLE_CHARACTERS].encode(errors="backslashreplace").decode()
    return head if head == text else f"{head[:_LEGIBLE_CHARACTERS]} …"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, what is accepted, what to do; `code` is stable, `where` a file or field."""

    code: str
    severity: Severity
    where: str
    found: str
    accepted: str
    remedy: str

    @classmethod
    def error(cls, code: str, where: str, *, found: str, accepted: str, remedy: str) -> Self:
        """Return a finding that refuses the repository."""
        return cls(code, "error", legible(where), legible(found), accepted, remedy)

    @classmethod
    def warning(cls, code: str, where: str, *, found: str, accepted: str, remedy: str) -> Self:
        """Return a finding that a person should know of and that refuses nothing."""
        return cls(code, "warning", legible(where), legible(found), accepted, remedy)

    def __str__(self) -> str:
        """Return it as one line for a person."""
        return f"{self.code} ({self.where}): {self.found}. {self.accepted} {self.remedy}"
