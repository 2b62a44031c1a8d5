"""Builds the stack's transfer image when CloudFormation requests it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
from aws_lambda_powertools import Logger

from build_transfer_image.image_build import Clients, ImageBuilder, Time
from build_transfer_image.image_sources import ImageSources
from build_transfer_image.stack_answer import StackAnswer
from model_import.aws.bucket_owner import expecting_owner

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
_ROOT: Final = Path(__file__).parent.parent


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Always answer CloudFormation, which would otherwise wait for an hour."""
    logger.append_keys(request_type=event["RequestType"])
    try:
        answer = StackAnswer(_image(event["RequestType"], context))
    except Exception as error:
        logger.exception("image build failed")
        answer = StackAnswer({}, failure=f"{type(error).__name__}: {error}")
    answer.send(event)


def _image(request_type: str, context: LambdaContext) -> dict[str, str]:
    """Return the attributes of the image."""
    sources = ImageSources.read(_ROOT)
    builder = ImageBuilder(
        Clients(
            boto3.client("codebuild"),
            boto3.client("ecr"),
            boto3.client("logs"),
            expecting_owner(boto3.client("s3"), os.environ["ACCOUNT_ID"]),
        ),
        project=os.environ["IMAGE_PROJECT"],
        bucket=os.environ["STAGING_BUCKET"],
        repository=os.environ["IMAGE_REPOSITORY"],
    )
    if request_type == "Delete":
        # CloudFormation deletes the images with the repository (EmptyOnDelete).
        builder.discard(sources)
        return {}
    time_left = Time(time.sleep, lambda: context.get_remaining_time_in_millis() / 1000)
    digest = builder.build(sources, time_left)
    logger.info("image", digest=digest, sources=sources.content_hash)
    return {
        "ImageUri": f"{os.environ['IMAGE_REPOSITORY_URI']}@{digest}",
        "Digest": digest,
        "SourcesHash": sources.content_hash,
    }
