"""A finding of preflight about a repository or the account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from model_import.findings.catalogue import CATALOGUE

if TYPE_CHECKING:
    from model_import.findings.catalogue import Severity

_LEGIBLE_CHARACTERS: Final = 500
_EXAMPLES: Final = 3


def legible(text: str) -> str:
    """Return text from a repository, shortened, with what UTF-8 cannot encode escaped.

    Anybody may have written the text, and findings must be safe to send.
    """
    head = text[:_LEGIBLE_CHARACTERS].encode(errors="backslashreplace").decode()
    return head if head == text else f"{head[:_LEGIBLE_CHARACTERS]} …"


def some(names: list[str]) -> str:
    """Return the first names of a list, and an ellipsis for the others."""
    shown = ", ".join(names[:_EXAMPLES])
    return f"{shown} …" if len(names) > _EXAMPLES else shown


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, what is accepted, the remedy; `code` is stable, `where` a file or field."""

    code: str
    severity: Severity
    where: str
    found: str
    accepted: str
    remedy: str

    @classmethod
    def of(
        cls, code: str, where: str, *, found: str, accepted: str, remedy: str | None = None
    ) -> Self:
        """Return a finding; `remedy` replaces that of the catalogue with a more specific one.

        Raises:
            KeyError: The catalogue does not have the code.
        """
        entry = CATALOGUE[code]
        return cls(
            code,
            entry.severity,
            legible(where),
            legible(found),
            accepted,
            entry.remedy if remedy is None else remedy,
        )

    def __str__(self) -> str:
        """Return the finding as one line for a person."""
        return f"{self.code} ({self.where}): {self.found}. {self.accepted} {self.remedy}"
