"""Writes the smoke test's question in the body format that the staged tokenizer requires.

The formats: https://docs.aws.amazon.com/bedrock/latest/userguide/invoke-imported-model.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

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

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_TOKENS_AT_MOST: Final = 1024

# A question of JCommonsenseQA with one example, as in AWS Japan's report of July 2024 on importing
# Llama-3-Swallow-70B-Instruct. The answer is トランペット.
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
    """What determines the body format: a chat template, or else the special tokens.

    A template that fails on a user message does not count. Many accept no system message.
    """

    has_chat_template: bool
    special_tokens: frozenset[str]
    accepts_system_messages: bool = True


@dataclass(frozen=True, slots=True)
class Question:
    """The last message, the body to send, and how a complete answer ends.

    An answer ends at `stop`, if the format has one. The answer of a base model need not end.
    """

    text: str
    body: dict[str, Any]
    stop: str | None
    must_end: bool


def read_tokenizer(s3: S3Client, s3_uri: str) -> Tokenizer:
    """Read from the staged files what determines the body format."""
    bucket, prefix = split_s3_uri(s3_uri)

    def read(path: str) -> bytes | None:
        try:
            return s3.get_object(Bucket=bucket, Key=prefix + path)["Body"].read()
        except s3.exceptions.NoSuchKey:
            return None

    paths = (TOKENIZER_CONFIG, "special_tokens_map.json", TEMPLATE_JINJA, TEMPLATE_JSON)
    files = {path: content for path in paths if (content := read(path)) is not None}
    config = json.loads(files.get(TOKENIZER_CONFIG, b"{}"))
    accepted = _try_template(files, config)
    added = (config.get("added_tokens_decoder") or {}).values()
    if not added:
        added = json.loads(read("tokenizer.json") or b"{}").get("added_tokens", [])
    return Tokenizer(
        has_chat_template=any(accepted),
        special_tokens=frozenset(token["content"] for token in added),
        accepts_system_messages=accepted[0] or not any(accepted),
    )


def _try_template(files: dict[str, bytes], config: dict[str, Any]) -> tuple[bool, bool]:
    """Return whether the template accepts the messages with and without a system message."""
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
    """Return the messages with the system message at the start of the first user message."""
    system, question, *others = DEFAULT_MESSAGES
    content = f"{system['content']}\n\n{question['content']}"
    return [{"role": "user", "content": content}, *others]


def write_question(
    tokenizer: Tokenizer, *, prompt: str | None, context_length: int | None
) -> Question:
    """Return the question in the model's body format; without a prompt, the default messages."""
    default = DEFAULT_MESSAGES if tokenizer.accepts_system_messages else _without_system()
    messages = [{"role": "user", "content": prompt}] if prompt else default
    format_ = None if tokenizer.has_chat_template else chat_format(set(tokenizer.special_tokens))
    # Prompt and answer share the context, and some models have only 512 tokens.
    tokens_at_most = min(_TOKENS_AT_MOST, (context_length or _TOKENS_AT_MOST) // 2)
    return Question(
        messages[-1]["content"],
        {
            **_prompt_fields(messages, tokenizer, format_),
            "max_tokens": tokens_at_most,
            "temperature": 0,
        },
        stop=format_.stop if format_ else None,
        must_end=tokenizer.has_chat_template or format_ is not None,
    )


def _prompt_fields(
    messages: list[Message], tokenizer: Tokenizer, format_: ChatFormat | None
) -> dict[str, Any]:
    if tokenizer.has_chat_template:
        return {"messages": messages}
    if format_ is not None:
        return {"prompt": format_.render(messages)}
    return {"prompt": messages[-1]["content"]}
