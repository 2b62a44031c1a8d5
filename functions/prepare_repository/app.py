"""Prepare Repository: stages the small files, and writes the manifest and the slices."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from model_import.assessment.plan import Plan
from model_import.preparation.prepare import prepare
from model_import.preparation.slicing import FanOut
from model_import.request.tagging import object_tagging
from model_import.sources.hub.files import HubFiles
from model_import.sources.hub.snapshot import read_snapshot
from stack.clients import hub_token, s3, settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@functools.cache
def fan_out() -> FanOut:
    """Return how the weights are divided among tasks."""
    return FanOut(
        tasks_at_most=settings().tasks_at_most,
        slice_bytes_at_least=settings().slice_bytes_at_least,
        task_cpu_units_at_most=settings().task_cpu_units_at_most,
    )


@logger.inject_lambda_context
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Return the URIs of the manifest and the model, and the slices with their task sizes."""
    plan = Plan.from_dict(event["plan"])
    wanted = plan.wanted
    logger.append_keys(execution_name=event["execution_name"], repo_id=wanted.repo_id)
    snapshot = read_snapshot(
        settings().hub_endpoint, wanted.repo_id, wanted.commit, token=hub_token()
    )
    prepared = prepare(
        snapshot,
        HubFiles(snapshot.source, hub_token(), ca_bundle=settings().hub_ca_bundle),
        s3(),
        bucket=settings().staging_bucket,
        tagging=object_tagging(plan.tags),
        execution_name=event["execution_name"],
        model_name=wanted.model_name,
        normalising=wanted.normalise,
        fan_out=fan_out(),
    )
    logger.info("prepared", manifest_uri=prepared.manifest_uri, slices=len(prepared.tasks))
    return {
        "manifest_uri": prepared.manifest_uri,
        "s3_uri": prepared.manifest.staging.s3_uri,
        # ECS requires strings for task sizes and environment variables.
        "slices": [
            {
                "uri": task.uri,
                "cpu": str(task.size.cpu_units),
                "memory": str(task.size.memory_mib),
                "connections": str(task.size.connections),
            }
            for task in prepared.tasks
        ],
    }
