"""Links to pages of the AWS console.

AWS does not document these URLs. They are what a browser shows in the console and what public
projects print, as of 2026-11-24. AWS's sample huggingface-bedrock-importer prints the URL of the
playground.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

_CONSOLES: Final = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


def execution_link(execution_arn: str) -> str:
    """Return the URL of an execution in the Step Functions console.

    Raises:
        ValueError: It is not an ARN of a known partition.
    """
    console, region = _console(execution_arn)
    return f"{console}/states/home?region={region}#/v2/executions/details/{_safe(execution_arn)}"


def playground_link(model_arn: str) -> str:
    """Return the URL of the Bedrock playground with an imported model selected.

    Raises:
        ValueError: It is not an ARN of a known partition.
    """
    console, region = _console(model_arn)
    page = f"{console}/bedrock/home?region={region}#/text-generation-playground"
    return f"{page}?mode=text&modelId={quote(model_arn, safe='')}"


def object_link(s3_uri: str, regional_arn: str) -> str:
    """Return the URL of an S3 object whose bucket is in the Region of `regional_arn`.

    Raises:
        ValueError: The URI is not of an S3 object, or the ARN not of a known partition.
    """
    console, region = _console(regional_arn)
    scheme, _, place = s3_uri.partition("://")
    bucket, _, key = place.partition("/")
    if scheme != "s3" or not key:
        raise ValueError(f"{s3_uri!r} is not the URI of an S3 object")
    return f"{console}/s3/object/{_safe(bucket)}?region={region}&prefix={quote(key, safe='')}"


def _console(arn: str) -> tuple[str, str]:
    """Return the console's URL for the partition and Region of an ARN, and the Region."""
    parts = arn.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn" or parts[1] not in _CONSOLES:  # noqa: PLR2004 – an ARN
        raise ValueError(f"{arn!r} is not an ARN of {', '.join(_CONSOLES)}")
    region = _safe(parts[3])
    return f"https://{region}.{_CONSOLES[parts[1]]}", region


def _safe(text: str) -> str:
    """Return text escaped for a path; the console keeps colons."""
    return quote(text, safe=":")
