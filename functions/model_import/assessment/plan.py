"""What the state machine carries from state to state about one import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model_import.forecast.estimate import Forecast
    from model_import.preflight.verdict import Verdict
    from model_import.request.input import ImportRequest
    from model_import.request.wanted_import import WantedImport
    from model_import.sources.hub.snapshot import Snapshot


def make_plan(
    request: ImportRequest,
    snapshot: Snapshot,
    wanted: WantedImport,
    verdict: Verdict,
    forecast: Forecast,
) -> dict[str, Any]:
    """Return the plan; its tags are spelt as the AWS SDK integration takes them."""
    tags = request.tags | wanted.tags
    return {
        "repo_id": snapshot.source.repo_id,
        "revision": request.revision,
        "commit": snapshot.source.commit,
        "model_name": wanted.model_name,
        "model_name_given": wanted.name_given,
        "tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        "normalise": request.normalise,
        "smoke_test": {"prompt": request.prompt, "expect": request.expect},
        "figures": verdict.figures.to_dict(),
        "forecast": forecast.to_dict(),
    }
