"""The tags of the import job, the model and the staged objects."""

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
"""Names the stack that imported a model, so that its models can be found after its deletion."""

_OBJECT_TAGS_AT_MOST: Final = 10
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html, 2026-11-24


def read_stack_tags(cloudformation: CloudFormationClient, stack_id: str) -> dict[str, str]:
    """Return the tags of the stack, and `STACK_TAG`, which names it.

    Raises:
        PermissionMissingError: IAM does not allow describing the stack.
        AwsUnavailableError: CloudFormation did not answer.
    """
    with translate_aws_errors("cloudformation"):
        (stack,) = cloudformation.describe_stacks(StackName=stack_id)["Stacks"]
    tags = {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}
    return tags | {STACK_TAG: stack["StackName"]}


def merge_tags(stack_tags: Mapping[str, str], execution_tags: Mapping[str, str]) -> dict[str, str]:
    """Return all tags; for a key in both, the value of the execution.

    Raises:
        InvalidInputError: Bedrock does not accept a tag, or there are too many.
    """
    rules = bedrock_rules()
    if STACK_TAG in execution_tags:
        raise InvalidInputError(
            f"tags has the key {STACK_TAG!r}", "The stack sets this tag itself: omit it"
        )
    joined = {**stack_tags, **execution_tags, STACK_TAG: stack_tags[STACK_TAG]}
    for key, value in stack_tags.items():
        if not (rules.tag_text.fullmatch(key) and rules.tag_text.fullmatch(value)):
            raise InvalidInputError(
                f"The stack has the tag {key!r} with the value {value!r}",
                "The model gets the stack's tags, and Bedrock accepts only ASCII letters, digits, "
                "spaces and . _ : / = + @ - in them: deploy the stack with other tags",
            )
    own = len(SOURCE_TAGS)
    at_most = rules.tags_at_most - own
    if len(joined) > at_most:
        raise InvalidInputError(
            f"The stack and the input have {len(joined)} tags together",
            f"Give at most {at_most}: Bedrock accepts {rules.tags_at_most}, and the import sets "
            f"{own} of them itself",
        )
    return joined


def object_tagging(tags: Mapping[str, str]) -> str:
    """Return the last ten tags of a plan, which include the import's own, in S3's format."""
    return urlencode(list(tags.items())[-_OBJECT_TAGS_AT_MOST:], quote_via=quote)
