"""Asks an imported model a question and judges the answer.

Each call is one try. During a cold start it raises ModelNotReadyError, which the state machine
retries.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from model_import.errors import ModelNotReadyError, SmokeTestFailedError
from model_import.smoke_test.answer import read_answer
from model_import.smoke_test.body import write_question
from model_import.smoke_test.judgement import judge

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

    from model_import.smoke_test.body import Tokenizer

_SHOWN_CHARACTERS: Final = 2_000
_MODEL_ERROR_CODES: Final = {
    "ModelErrorException",
    "ValidationException",
    "ModelTimeoutException",
}


@dataclass(frozen=True, slots=True)
class SmokeTestResult:
    """The result of a passed smoke test; `seconds_to_first_success` includes the cold start."""

    prompt: str
    answer: str
    latency_seconds: float
    seconds_to_first_success: float
    prompt_tokens: int | None
    answer_tokens: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that the state machine keeps."""
        return asdict(self)


def run_smoke_test(  # noqa: PLR0913 – independent inputs
    runtime: BedrockRuntimeClient,
    model_arn: str,
    tokenizer: Tokenizer,
    *,
    prompt: str | None,
    expect: str | None,
    context_length: int | None,
    entered_at: datetime,
    now: Callable[[], datetime],
) -> SmokeTestResult:
    """Invoke the model once and judge its answer.

    Raises:
        ModelNotReadyError: Bedrock is still loading the model.
        SmokeTestFailedError: The answer is empty, incomplete or not as expected.
    """
    question = write_question(tokenizer, prompt=prompt, context_length=context_length)
    invoked_at = now()
    content = _invoke(runtime, model_arn, question.body)
    answered_at = now()
    answer = read_answer(model_arn, content)
    text = judge(model_arn, question, answer, expect)
    return SmokeTestResult(
        prompt=question.text[:_SHOWN_CHARACTERS],
        answer=text[:_SHOWN_CHARACTERS],
        latency_seconds=round((answered_at - invoked_at).total_seconds(), 3),
        seconds_to_first_success=round((answered_at - entered_at).total_seconds(), 3),
        prompt_tokens=answer.prompt_tokens,
        answer_tokens=answer.answer_tokens,
    )


def _invoke(runtime: BedrockRuntimeClient, model_arn: str, body: dict[str, Any]) -> bytes:
    try:
        response = runtime.invoke_model(
            modelId=model_arn,
            body=json.dumps(body, ensure_ascii=False),
            contentType="application/json",
            accept="application/json",
        )
        return response["body"].read()
    except runtime.exceptions.ModelNotReadyException as error:
        raise ModelNotReadyError(model_arn) from error
    except ClientError as error:
        refusal = error.response["Error"]
        if refusal["Code"] not in _MODEL_ERROR_CODES:
            raise
        found = f"its invocation failed with {refusal['Code']}: {refusal['Message']}"
        raise SmokeTestFailedError(model_arn, found) from error
