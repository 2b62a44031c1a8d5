"""Assesses an import before it starts."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from model_import.assessment.plan import Plan
from model_import.forecast.estimate import forecast
from model_import.preflight.conversions import find_conversion
from model_import.preflight.judge import judge
from model_import.request.wanted_import import WantedImport
from model_import.sources.hub.files import HubFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from model_import.findings.finding import Finding
    from model_import.preflight.licence import LicenceRules
    from model_import.preflight.verdict import Verdict
    from model_import.request.input import ImportRequest
    from model_import.sources.hub.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Assessment:
    """The verdict on a repository and the plan of its import, even if it is refused."""

    verdict: Verdict
    plan: Plan

    @property
    def refusal(self) -> str | None:
        """Return every reason against the import, or None if there is none."""
        if self.verdict.importable:
            return None
        return self.verdict.refusal(self.plan.wanted.repo_id, self.plan.wanted.commit)


def assess(  # noqa: PLR0913 – independent inputs
    request: ImportRequest,
    snapshot: Snapshot,
    region: str,
    *,
    hub_token: str | None,
    hub_ca_bundle: str | None,
    licences: LicenceRules,
    check_account: Callable[[WantedImport], Iterable[Finding]] = lambda _: (),
    megabytes_per_second: float | None = None,
) -> Assessment:
    """Assess the import of a snapshot into a Region.

    `check_account` adds findings about the account; by default no account is checked.

    Raises:
        RepositoryGatedError: The Hub lists the files but does not serve them.
        HubUnavailableError: The Hub did not answer, or answered with a temporary failure.
    """
    wanted = WantedImport.of(request, snapshot.source)
    with contextlib.closing(HubFiles(snapshot.source, hub_token, ca_bundle=hub_ca_bundle)) as files:
        verdict = judge(
            snapshot,
            files,
            region,
            normalising=request.normalise,
            licences=licences,
            find_conversion=lambda: find_conversion(snapshot.source, token=hub_token),
        )
    verdict = verdict.joined_by(check_account(wanted))
    estimate = forecast(
        verdict.figures,
        region,
        today=datetime.now(UTC).date(),
        megabytes_per_second=megabytes_per_second,
    )
    return Assessment(verdict, Plan.of(request, snapshot, wanted, verdict.figures, estimate))
