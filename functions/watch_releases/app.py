"""Watch Releases: puts `Model Released` events for new commits of the watched authors."""

from __future__ import annotations

import functools
import os
import time
from typing import TYPE_CHECKING, Any, Final

import boto3
from aws_lambda_powertools import Logger

from model_import.release.bus import publish_releases
from model_import.release.hub_heads import BoundedRequests, ModelApi, read_heads
from model_import.release.policy import read_policy
from model_import.release.seen_repositories import SeenRepositories
from model_import.release.watch import Watch
from stack.clients import hub_token, settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
_SECONDS_TO_RECORD: Final = 30
"""Reserved at the end of a run to put the events of one author and record its commits."""


@logger.inject_lambda_context
def handler(_event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Run the watch once, within the timeout of this invocation."""
    seconds = context.get_remaining_time_in_millis() / 1000 - _SECONDS_TO_RECORD
    requests = BoundedRequests(ends_at=time.monotonic() + seconds)
    with requests.client() as client:
        hub = ModelApi(client, settings().hub_endpoint.rstrip("/"), hub_token())
        watch = Watch(
            policy=read_policy(boto3.client("ssm"), os.environ["RELEASE_POLICY_NAME"]),
            seen=SeenRepositories(boto3.resource("dynamodb").Table(os.environ["SEEN_TABLE"])),
            read_heads=functools.partial(read_heads, hub),
            publish=functools.partial(publish_releases, boto3.client("events")),
        )
        report = watch.run()
    figures = {
        "authors": report.authors,
        "repositories": report.repositories,
        "released": len(report.released),
        "left": len(report.left),
        "why_left": report.why_left,
        "requests": requests.count,
    }
    logger.info("watched", extra=figures)
    return figures
