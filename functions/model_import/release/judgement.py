"""Judges a release: first by the policy, then by the Hub, then by Bedrock's rules."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from model_import.assessment.assess import assess
from model_import.release.policy import ReleasedModel
from model_import.request.input import ImportRequest
from model_import.request.naming import execution_name
from model_import.sources.hub.snapshot import read_snapshot

if TYPE_CHECKING:
    from model_import.assessment.plan import Plan
    from model_import.release.policy import Policy
    from model_import.sources.hub.snapshot import Snapshot

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Judgement:
    """The outcome for a release; `objections` has every reason for a refusal.

    A commit is superseded when the branch has a newer one. Then `commit` is the newest, which has
    its own event.
    """

    outcome: Literal["wanted", "refused", "superseded"]
    repo_id: str
    commit: str | None
    execution_name: str | None = None
    objections: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ReleaseJudge:
    """Judges the releases of one Hub for one Region; a push to `branch` is a release."""

    hub_endpoint: str
    hub_token: str | None
    region: str
    branch: str
    hub_ca_bundle: str | None = None

    def judge(self, release: object, policy: Policy) -> Judgement:
        """Judge a release, given as the input of an import: `{"repo_id": …, "revision": …}`.

        A commit must be the newest of the branch. A branch or a tag is resolved to its commit; the
        default revision is the tracked branch.

        Raises:
            InvalidInputError: The release is not a valid input of an import.
            RepositoryNotFoundError, RepositoryGatedError, RevisionNotFoundError,
            HubAccessRefusedError, HubUnavailableError: The Hub does not serve the repository.
        """
        request = ImportRequest.from_input(release)
        if not policy.watches(request.repo_id):
            objections = policy.objections_to_name(request.repo_id)
            return Judgement("refused", request.repo_id, None, objections=objections)
        named = release.get("revision") if isinstance(release, dict) else None
        is_commit = named is not None and _COMMIT.fullmatch(named) is not None
        revision = self.branch if is_commit or named is None else named
        snapshot = read_snapshot(self.hub_endpoint, request.repo_id, revision, token=self.hub_token)
        source = snapshot.source
        if is_commit and source.commit != named:
            return Judgement("superseded", source.repo_id, source.commit)
        objections = self._objections(request, snapshot, policy)
        if objections:
            return Judgement("refused", source.repo_id, source.commit, objections=objections)
        name = execution_name(source.repo_id, source.commit)
        return Judgement("wanted", source.repo_id, source.commit, execution_name=name)

    def _objections(
        self, request: ImportRequest, snapshot: Snapshot, policy: Policy
    ) -> tuple[str, ...]:
        # A renamed repository answers with its current name, which the policy must watch too.
        if not policy.watches(snapshot.source.repo_id):
            return policy.objections_to_name(snapshot.source.repo_id)
        assessment = assess(
            request,
            snapshot,
            self.region,
            hub_token=self.hub_token,
            hub_ca_bundle=self.hub_ca_bundle,
            licences=policy.licences,
        )
        objections = policy.objections(_released_model(assessment.plan))
        return objections if assessment.refusal is None else (*objections, assessment.refusal)


def _released_model(plan: Plan) -> ReleasedModel:
    return ReleasedModel(
        repo_id=plan.wanted.repo_id,
        model_type=plan.figures.model_type,
        weights_bytes=plan.figures.weights_bytes,
        usd_per_active_hour=plan.forecast.usd_per_active_hour.at_most,
    )
