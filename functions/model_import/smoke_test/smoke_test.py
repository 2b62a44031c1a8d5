"""Asks an imported model a question and judges the answer.

One call is one try: a cold start ends it with ModelNotReadyError, and the state machine tries it
again. The formats: https://docs.aws.amazon.com/bedrock/latest/userguide/invoke-imported-model.html
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from model_import.aws.records import split_s3_uri
from model_import.chat.format import ChatFormat, Message, chat_format
from model_import.chat.sandbox import Conversation, render_bounded
from model_import.chat.template import (
    TEMPLATE_JINJA,
    TEMPLATE_JSON,
    TOKENIZER_CONFIG,
    ChatTemplateError,
    find_chat_template,
    special_tokens,
)
from model_import.errors import ModelNotReadyError, SmokeTestFailedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient
    from mypy_boto3_s3 import S3Client

_TOKENS_AT_MOST: Final = 1024
_SHOWN_CHARACTERS: Final = 2_000

# JCommonsenseQA with one example, after AWS Japan's report of July 2024 on importing
# Llama-3-Swallow-70B-Instruct; the answer is トランペット.
DEFAULT_MESSAGES: Final[list[Message]] = [
    {
        "role": "system",
        "content": "あなたは誠実で優秀な日本人のアシスタントです。"
        "質問に対して、選択肢の中から正しい答えを一つだけ選んで答えてください。",
    },
    {
        "role": "user",
        "content": "次のうち、果物であるのはどれ? choice0: りんご choice1: 机 choice2: 電車 "
        "choice3: 鉛筆 choice4: 時計",
    },
    {"role": "assistant", "content": "りんご"},
    {
        "role": "user",
        "content": "次のうち、金管楽器であるのはどれ? choice0: トランペット choice1: ガラス "
        "choice2: メビウス choice3: メタル choice4: 設計",
    },
]


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """What the staged tokenizer says of the body format: a template, or else special tokens.

    A template that fails on a user message is none; many take no system message.
    """

    has_chat_template: bool
    special_tokens: frozenset[str]
    takes_system_messages: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of one invocation, the same for each of Bedrock's body formats."""

    text: str
    finish_reason: str | None
    prompt_tokens: int | None
    answer_tokens: int | None


@dataclass(frozen=True, slots=True)
class SmokeTestResult:
    """The record of a passed smoke test; seconds to first success include the cold start."""

    prompt: str
    answer: str
    latency_seconds: float
    seconds_to_first_success: float
    prompt_tokens: int | None
    answer_tokens: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that the state machine keeps."""
        return asdict(self)


def read_tokenizer(s3: S3Client, s3_uri: str) -> Tokenizer:
    """Read from the staged files which body format the model accepts."""
    bucket, prefix = split_s3_uri(s3_uri)

    def read(path: str) -> bytes | None:
        try:
            return s3.get_object(Bucket=bucket, Key=prefix + path)["Body"].read()
        except s3.exceptions.NoSuchKey:
            return None

    paths = (TOKENIZER_CONFIG, "special_tokens_map.json", TEMPLATE_JINJA, TEMPLATE_JSON)
    files = {path: content for path in paths if (content := read(path)) is not None}
    config = json.loads(files.get(TOKENIZER_CONFIG, b"{}"))
    chats = _try_template(files, config)
    added = (config.get("added_tokens_decoder") or {}).values()
    if not added:
        added = json.loads(read("tokenizer.json") or b"{}").get("added_tokens", [])
    return Tokenizer(
        has_chat_template=any(chats),
        special_tokens=frozenset(token["content"] for token in added),
        takes_system_messages=chats[0] or not any(chats),
    )


def _try_template(files: dict[str, bytes], config: dict[str, Any]) -> tuple[bool, bool]:
    """Return whether the template takes the messages with the system's, and without."""
    try:
        source = find_chat_template(files, config)
    except ChatTemplateError:
        source = None
    if not source:
        return False, False
    tokens = special_tokens(config, json.loads(files.get("special_tokens_map.json", b"{}")))
    conversations = [Conversation(DEFAULT_MESSAGES), Conversation(_without_system())]
    tried = render_bounded(source, tokens, conversations)
    whole, folded = (rendering.failure is None for rendering in tried)
    return whole, folded


def _without_system() -> list[Message]:
    """Return the messages with the system's text at the head of the first question."""
    system, question, *others = DEFAULT_MESSAGES
    content = f"{system['content']}\n\n{question['content']}"
    return [{"role": "user", "content": content}, *others]


def run_smoke_test(  # noqa: PLR0913 – each is one thing of its own
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
    """Invoke the model once and return its answer, judged.

    Raises:
        ModelNotReadyError: Bedrock is still loading the model.
        SmokeTestFailedError: The answer is empty, did not end, or is not what was expected.
    """
    default = DEFAULT_MESSAGES if tokenizer.takes_system_messages else _without_system()
    messages = [{"role": "user", "content": prompt}] if prompt else default
    format_ = None if tokenizer.has_chat_template else chat_format(set(tokenizer.special_tokens))
    # Prompt and answer share the context; models of 512 tokens exist.
    tokens_at_most = min(_TOKENS_AT_MOST, (context_length or _TOKENS_AT_MOST) // 2)
    body = _request_body(messages, tokenizer, format_, tokens_at_most)
    asked_at = now()
    content = _invoke(runtime, model_arn, body)
    answered_at = now()
    answer = _read_answer(model_arn, _parse(model_arn, content))
    must_end = tokenizer.has_chat_template or format_ is not None
    text = _judge(model_arn, answer, format_, expect, must_end=must_end)
    return SmokeTestResult(
        prompt=messages[-1]["content"][:_SHOWN_CHARACTERS],
        answer=text[:_SHOWN_CHARACTERS],
        latency_seconds=round((answered_at - asked_at).total_seconds(), 3),
        seconds_to_first_success=round((answered_at - entered_at).total_seconds(), 3),
        prompt_tokens=answer.prompt_tokens,
        answer_tokens=answer.answer_tokens,
    )


def _request_body(
    messages: list[Message],
    tokenizer: Tokenizer,
    format_: ChatFormat | None,
    tokens_at_most: int,
) -> dict[str, Any]:
    settings = {"max_tokens": tokens_at_most, "temperature": 0}
    if tokenizer.has_chat_template:
        return {"messages": messages, **settings}
    if format_ is not None:
        return {"prompt": format_.render(messages), **settings}
    return {"prompt": messages[-1]["content"], **settings}


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
        if refusal["Code"] not in _FAULTS_OF_THE_MODEL:
            raise
        found = f"its invocation failed with {refusal['Code']}: {refusal['Message']}"
        raise SmokeTestFailedError(model_arn, found) from error


_FAULTS_OF_THE_MODEL: Final = {
    "ModelErrorException",
    "ValidationException",
    "ModelTimeoutException",
}


def _parse(model_arn: str, content: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise SmokeTestFailedError(model_arn, f"its answer is no JSON object: {content[:200]!r}")
    return answer


def _read_answer(model_arn: str, response: dict[str, Any]) -> Answer:
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
            found = f"its answer has an unknown form, with the keys {sorted(response)!r:.200}"
            raise SmokeTestFailedError(model_arn, found)
    usage = response.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Answer(
        text,
        choice.get("finish_reason"),
        usage.get("prompt_tokens"),
        usage.get("completion_tokens"),
    )


def _judge(
    model_arn: str,
    answer: Answer,
    format_: ChatFormat | None,
    expect: str | None,
    *,
    must_end: bool,
) -> str:
    text, stop, _ = answer.text.partition(format_.stop) if format_ else (answer.text, "", "")
    text = text.strip()
    if not text:
        raise SmokeTestFailedError(model_arn, "it gave an empty answer to the smoke test")
    if must_end and not stop and answer.finish_reason == "length":
        found = f"it did not end its answer by itself: {text[:200]!r}"
        raise SmokeTestFailedError(model_arn, found)
    if expect is not None and expect not in text:
        found = f"it answered {text[:500]!r}, where {expect!r} is expected"
        raise SmokeTestFailedError(model_arn, found)
    return text
