"""The report of `model-import check`, as an object and as the JSON that `--json` prints."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from model_import.findings.finding import Finding

if TYPE_CHECKING:
    from model_import.assessment.assess import Assessment
    from model_import.assessment.plan import Plan
    from model_import.errors import ModelImportError

_MODEL: Final = {
    "files": "weights_files",
    "bytes": "weights_bytes",
    "dtype": "dtype",
    "architecture": "architecture",
    "context_length": "context_length",
    "parameters": "parameters",
    "model_name": "model_name",
}
"""What `--json` tells of the model, by the fields of a plan and of its figures."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The result of a check; errors come first among its findings.

    A repository that could not even be read has no `commit` and no `plan`.
    """

    repo_id: str
    commit: str | None
    findings: tuple[Finding, ...]
    plan: Plan | None = None

    @classmethod
    def of(cls, assessment: Assessment) -> CheckReport:
        """Return the report on a repository that was judged."""
        plan = assessment.plan
        return cls(plan.wanted.repo_id, plan.wanted.commit, assessment.verdict.findings, plan)

    @classmethod
    def of_refusal(cls, repo_id: str, error: ModelImportError) -> CheckReport:
        """Return the report on a repository that could not be read."""
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
            "plan": self._model(),
            "forecast": {} if self.plan is None else self.plan.forecast.to_dict(),
        }

    def _model(self) -> dict[str, Any]:
        if self.plan is None:
            return dict.fromkeys(_MODEL)
        known = self.plan.to_dict() | self.plan.figures.to_dict()
        return {name: known[field] for name, field in _MODEL.items()}
