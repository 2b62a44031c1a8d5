"""What the state machine carries from state to state about one import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from model_import.naming import job_name, model_name
from model_import.request import SOURCE_TAGS

if TYPE_CHECKING:
    from model_import.hub import Snapshot
    from model_import.preflight.verdict import Verdict
    from model_import.request import ImportRequest


def make_plan(
    request: ImportRequest, snapshot: Snapshot, verdict: Verdict, execution_arn: str
) -> dict[str, Any]:
    """Return the plan; its tags are spelt as the AWS SDK integration takes them."""
    source = snapshot.source
    name = request.model_name or model_name(source.repo_id, source.commit)
    tags = request.tags | dict(zip(SOURCE_TAGS, (source.repo_id, source.commit), strict=True))
    return {
        "repo_id": source.repo_id,
        "revision": request.revision,
        "commit": source.commit,
        "model_name": name,
        "job_name": job_name(name, execution_arn),
        "tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        "normalise": request.normalise,
        "smoke_test": {"prompt": request.prompt, "expect": request.expect},
        "figures": verdict.figures(),
    }
