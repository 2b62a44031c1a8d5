"""Reads the answer of an imported model from any of Bedrock's body formats."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from model_import.errors import SmokeTestFailedError


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of one invocation, independent of the body format."""

    text: str
    finish_reason: str | None
    prompt_tokens: int | None
    answer_tokens: int | None


def read_answer(model_arn: str, body: bytes) -> Answer:
    """Return the answer in the body of a response.

    Raises:
        SmokeTestFailedError: The body has an unknown format.
    """
    response = _parse(model_arn, body)
    match response:
        case {"choices": [{"message": {"content": str() | None as content}} as choice, *_]}:
            text = content or ""
        case {"choices": [{"text": str(text)} as choice, *_]}:
            pass
        case {"generation": str(text)}:
            return Answer(
                text,
                response.get("stop_reason"),
                response.get("prompt_token_count"),
                response.get("generation_token_count"),
            )
        case _:
            found = f"its answer has an unknown format, with the keys {sorted(response)!r:.200}"
            raise SmokeTestFailedError(model_arn, found)
    usage = response.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Answer(
        text,
        choice.get("finish_reason"),
        usage.get("prompt_tokens"),
        usage.get("completion_tokens"),
    )


def _parse(model_arn: str, body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise SmokeTestFailedError(model_arn, f"its answer is not a JSON object: {body[:200]!r}")
    return answer
