"""Judge Release: decides whether a release is imported, or returns every reason against it."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from model_import.release.judgement import ReleaseJudge
from model_import.release.policy import Policy
from stack.clients import hub_token, settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@functools.cache
def judge() -> ReleaseJudge:
    return ReleaseJudge(
        hub_endpoint=settings().hub_endpoint,
        hub_token=hub_token(),
        region=settings().region,
        branch=os.environ["TRACKED_BRANCH"],
        hub_ca_bundle=settings().hub_ca_bundle,
    )


@logger.inject_lambda_context
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    logger.append_keys(execution_arn=event["execution_arn"])
    judgement = judge().judge(event["release"], Policy.from_json(event["policy"]))
    logger.info("judgement", **judgement.to_dict())
    return judgement.to_dict()
