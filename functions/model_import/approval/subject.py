"""The import that a person is asked to approve, in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from model_import.forecast.wording import FORECAST_LABELS, amount, size

if TYPE_CHECKING:
    from model_import.assessment.plan import Plan

_NOTES_AT_MOST: Final = 20


@dataclass(frozen=True, slots=True)
class ApprovalSubject:
    """An import before it starts: figures by label, and preflight's findings as notes.

    `more_notes` counts the findings without a note.
    """

    repo_id: str
    commit: str
    model_name: str
    figures: dict[str, str]
    notes: tuple[str, ...]
    more_notes: int

    @classmethod
    def of(cls, plan: Plan, findings: list[dict[str, Any]]) -> Self:
        """Return the subject of a plan."""
        forecast = plan.forecast.to_dict()
        weights = {"Weights": size(forecast["transfer_bytes"]["at_least"])}
        estimates = {label: amount(name, forecast[name]) for name, label in FORECAST_LABELS.items()}
        notes = tuple(f"{finding['code']}: {finding['found']}" for finding in findings)
        return cls(
            repo_id=plan.wanted.repo_id,
            commit=plan.wanted.commit,
            model_name=plan.wanted.model_name,
            figures=weights | estimates,
            notes=notes[:_NOTES_AT_MOST],
            more_notes=max(0, len(notes) - _NOTES_AT_MOST),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self) | {"notes": list(self.notes)}

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Self:
        """Return it from JSON."""
        return cls(**(found | {"notes": tuple(found["notes"])}))
