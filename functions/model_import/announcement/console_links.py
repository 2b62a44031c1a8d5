"""Links into the AWS console, all of them made here.

AWS documents none of these forms. They are what the console shows in a browser's address and what
public projects print, looked up on 2026-11-24; that of the playground is printed by AWS's sample
huggingface-bedrock-importer.
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
    """Return the page of an execution in the Step Functions console.

    Raises:
        ValueError: It is no ARN of a known partition.
    """
    console, region = _console(execution_arn)
    return f"{console}/states/home?region={region}#/v2/executions/details/{_safe(execution_arn)}"


def playground_link(model_arn: str) -> str:
    """Return the playground of the Bedrock console with an imported model chosen.

    Raises:
        ValueError: It is no ARN of a known partition.
    """
    console, region = _console(model_arn)
    page = f"{console}/bedrock/home?region={region}#/text-generation-playground"
    return f"{page}?mode=text&modelId={quote(model_arn, safe='')}"


def object_link(s3_uri: str, beside_arn: str) -> str:
    """Return the page of an S3 object, whose bucket is in the Region of some ARN.

    Raises:
        ValueError: They are no URI of an object and no ARN of a known partition.
    """
    console, region = _console(beside_arn)
    scheme, _, place = s3_uri.partition("://")
    bucket, _, key = place.partition("/")
    if scheme != "s3" or not key:
        raise ValueError(f"{s3_uri!r} names no object of S3")
    return f"{console}/s3/object/{_safe(bucket)}?region={region}&prefix={quote(key, safe='')}"


def _console(arn: str) -> tuple[str, str]:
    """Return the console of an ARN's partition and Region, and the Region."""
    parts = arn.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn" or parts[1] not in _CONSOLES:  # noqa: PLR2004 – as ARNs are
        raise ValueError(f"{arn!r} is no ARN of {', '.join(_CONSOLES)}")
    region = _safe(parts[3])
    return f"https://{region}.{_CONSOLES[parts[1]]}", region


def _safe(text: str) -> str:
    """Return text as it may stand in a path, with the colons that the console leaves."""
    return quote(text, safe=":")
