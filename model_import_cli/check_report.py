"""What `model-import check` has to tell, as an object and as the JSON that `--json` prints."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from model_import.findings.finding import Finding

if TYPE_CHECKING:
    from model_import.errors import ModelImportError
    from model_import.preflight.verdict import Verdict


@dataclass(frozen=True, slots=True)
class PlannedModel:
    """The model in figures, as far as they could be read."""

    files: int | None = None
    bytes: int | None = None
    dtype: str | None = None
    architecture: str | None = None
    context_length: int | None = None
    parameters: int | None = None
    model_name: str | None = None

    @classmethod
    def of(cls, verdict: Verdict, model_name: str) -> PlannedModel:
        """Return the figures of a verdict."""
        return cls(
            files=verdict.figures.weights_files,
            bytes=verdict.figures.weights_bytes,
            dtype=verdict.figures.dtype,
            architecture=verdict.figures.architecture,
            context_length=verdict.figures.context_length,
            parameters=verdict.figures.parameters,
            model_name=model_name,
        )


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The whole of a check; the findings that refuse come first.

    `kind`, `licence` and `chat_template`, the file that has it, are for a person only.
    """

    repo_id: str
    commit: str | None
    findings: tuple[Finding, ...]
    plan: PlannedModel = PlannedModel()
    forecast: dict[str, dict[str, Any]] = field(default_factory=dict)
    kind: str | None = None
    chat_template: str | None = None
    licence: str | None = None

    @classmethod
    def of_refusal(cls, repo_id: str, error: ModelImportError) -> CheckReport:
        """Return the report on a repository that could not even be read."""
        code = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__.removesuffix("Error"))
        finding = Finding(code.upper(), "error", repo_id, str(error).rstrip("."), "", "")
        return cls(repo_id, None, (finding,))

    @property
    def importable(self) -> bool:
        """Return whether no finding refuses the repository."""
        return all(finding.severity != "error" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        findings = [asdict(finding) for finding in self.findings]
        return {
            "repo_id": self.repo_id,
            "commit": self.commit,
            "importable": self.importable,
            "findings": findings,
            "normalisations": [row for row in findings if row["severity"] == "normalised"],
            "plan": asdict(self.plan),
            "forecast": self.forecast,
        }
