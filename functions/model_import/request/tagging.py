"""Tags: the stack's and the execution's, on the import job, the model and the staged objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from model_import.aws.refusals import translate_aws_errors
from model_import.bedrock.rules import bedrock_rules
from model_import.errors import InvalidInputError
from model_import.request.wanted_import import SOURCE_TAGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_cloudformation import CloudFormationClient

STACK_TAG: Final = "model-import-stack"
"""Says by which stack a model was imported: what is left when the stack is gone is found by it."""

_OBJECT_TAGS_AT_MOST: Final = 10
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html, 2026-11-24


def read_stack_tags(cloudformation: CloudFormationClient, stack_id: str) -> dict[str, str]:
    """Return the tags that the stack was deployed with, and the one that names it.

    Raises:
        PermissionMissingError: The caller may not look at the stack.
        AwsUnavailableError: CloudFormation did not answer.
    """
    with translate_aws_errors("cloudformation"):
        (stack,) = cloudformation.describe_stacks(StackName=stack_id)["Stacks"]
    tags = {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}
    return tags | {STACK_TAG: stack["StackName"]}


def joined_tags(stack_tags: Mapping[str, str], execution_tags: Mapping[str, str]) -> dict[str, str]:
    """Return both; where they have a key in common, the execution's value counts.

    Raises:
        InvalidInputError: Bedrock does not take them, or they are too many.
    """
    rules = bedrock_rules()
    if STACK_TAG in execution_tags:
        raise InvalidInputError(
            f"tags has the key {STACK_TAG!r}", "The stack sets it itself: leave it out"
        )
    joined = {**stack_tags, **execution_tags, STACK_TAG: stack_tags[STACK_TAG]}
    for key, value in stack_tags.items():
        if not (rules.tag_text.fullmatch(key) and rules.tag_text.fullmatch(value)):
            raise InvalidInputError(
                f"The stack has the tag {key!r} with the value {value!r}",
                "The model gets the stack's tags, and Bedrock takes ASCII letters, digits, spaces "
                "and . _ : / = + @ - in them: deploy the stack with other tags",
            )
    own = len(SOURCE_TAGS)
    at_most = rules.tags_at_most - own
    if len(joined) > at_most:
        raise InvalidInputError(
            f"The stack and tags have {len(joined)} tags together",
            f"{at_most} at most: {own} of the {rules.tags_at_most} are set by the import",
        )
    return joined


def object_tagging(tags: Mapping[str, str]) -> str:
    """Return the last ten tags of a plan as S3 takes them; the import's own are the last."""
    return urlencode(list(tags.items())[-_OBJECT_TAGS_AT_MOST:], quote_via=quote)
