"""One thing that preflight has to say about a repository."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from model_import.findings.catalogue import CATALOGUE

if TYPE_CHECKING:
    from model_import.findings.catalogue import Severity

_LEGIBLE_CHARACTERS: Final = 500
_EXAMPLES: Final = 3


def legible(text: str) -> str:
    """Return a text out of a repository so that it can be sent on, whatever its author put there.

    It is cut, and what UTF-8 cannot carry is escaped.
    """
    head = text[:_LEGIBLE_CHARACTERS].encode(errors="backslashreplace").decode()
    return head if head == text else f"{head[:_LEGIBLE_CHARACTERS]} …"


def some(names: list[str]) -> str:
    """Return the first names of a list that may be long."""
    shown = ", ".join(names[:_EXAMPLES])
    return f"{shown} …" if len(names) > _EXAMPLES else shown


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
    def of(
        cls, code: str, where: str, *, found: str, accepted: str, remedy: str | None = None
    ) -> Self:
        """Return the finding of a code; `remedy` where one narrower than the catalogue's is known.

        Raises:
            KeyError: The catalogue has no such code.
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
        """Return it as one line for a person."""
        return f"{self.code} ({self.where}): {self.found}. {self.accepted} {self.remedy}"
