"""The verdict of preflight: its findings, and the figures of the model."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from model_import.bedrock.rules import Kind
    from model_import.findings.finding import Finding

_FINDINGS_SHOWN: Final = 100
_CAUSE_CHARACTERS_AT_MOST: Final = 28_000
# Step Functions keeps 32,768 characters of a cause.


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """The figures of a model, as far as preflight could read them.

    `chat_template` is the file that contains it.
    """

    licence: str | None
    model_type: str | None
    architecture: str | None
    kind: Kind | None
    context_length: int | None
    chat_template: str | None
    dtype: str | None
    parameters: int
    weights_files: int
    weights_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON that `to_dict` wrote; unknown fields are ignored."""
        return cls(**{field.name: data[field.name] for field in fields(cls)})


@dataclass(frozen=True, slots=True)
class Verdict:
    """The findings, errors first, and the figures of the model."""

    findings: tuple[Finding, ...]
    figures: ModelFigures

    @classmethod
    def of(cls, findings: Iterable[Finding], figures: ModelFigures) -> Self:
        """Return the verdict with the findings sorted, errors first."""
        return cls(tuple(sorted(findings, key=lambda finding: finding.severity)), figures)

    @property
    def importable(self) -> bool:
        """Return whether no finding refuses the repository."""
        return all(finding.severity != "error" for finding in self.findings)

    def joined_by(self, findings: Iterable[Finding]) -> Verdict:
        """Return the verdict with more findings, sorted in."""
        return Verdict.of((*self.findings, *findings), self.figures)

    def shown_findings(self) -> tuple[Finding, ...]:
        """Return as many findings, errors first, as the payload of a state can hold."""
        return self.findings[:_FINDINGS_SHOWN]

    def refusal(self, repo_id: str, commit: str) -> str:
        """Return the cause of a refused execution: every error, beyond the limit only its code."""
        errors = [finding for finding in self.findings if finding.severity == "error"]
        lines = [f"{repo_id} at {commit} cannot be imported, for {len(errors)} reason(s):"]
        room = _CAUSE_CHARACTERS_AT_MOST - len(lines[0])
        for number, error in enumerate(errors, 1):
            line = f"{number}. {error}"
            room -= len(line) + 1
            if room < 0:
                rest = Counter(error.code for error in errors[number - 1 :])
                counts = ", ".join(f"{code} ({count})" for code, count in rest.items())
                lines.append(f"… and {rest.total()} more: {counts}.")
                break
            lines.append(line)
        return "\n".join(lines)
