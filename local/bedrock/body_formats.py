"""The three body formats of an imported model: detected, read, answered, streamed.

Decoding is always greedy: `temperature`, `top_p` and a seed are checked but have no effect. A field
that would change the answer's text or shape and is not supported here is refused.
Source: user guide, «Invoke your imported model», and its page on advanced features, 2026-10-05.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.bedrock.errors import malformed_body_error, validation_error

if TYPE_CHECKING:
    from local.bedrock.text_model import Piece

CHAT_ROLES = ("system", "user", "assistant")
_NOT_COMPUTED = (
    "tools",
    "functions",
    "structured_outputs",
    "logprobs",
    "top_logprobs",
    "prompt_logprobs",
    "return_logprobs",
    "echo",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """The input of a generation: a prompt, or the messages of a conversation."""

    prompt: str | None = None
    messages: tuple[dict[str, str], ...] | None = None
    max_tokens: int | None = None
    stop_sequences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Invocation:
    """The metadata of an answer: an id, a Unix time, ACCOUNT-MODELID, the prompt's length."""

    identifier: str
    created: int
    model: str
    prompt_tokens: int


class BodyFormat(ABC):
    """One format: it writes a whole answer, or one piece of a streamed answer."""

    def __init__(self, request: GenerationRequest) -> None:
        self.request = request

    @abstractmethod
    def answer(self, invocation: Invocation, text: str, last: Piece) -> dict[str, Any]:
        """Return the body of InvokeModel's answer; `last` says how the text ended."""

    @abstractmethod
    def chunk(self, invocation: Invocation, piece: Piece, *, first: bool) -> dict[str, Any]:
        """Return one chunk of InvokeModelWithResponseStream's answer."""


class BedrockCompletion(BodyFormat):
    """`prompt` and `max_gen_len`, as Bedrock's own Llama models take them."""

    def answer(self, invocation: Invocation, text: str, last: Piece) -> dict[str, Any]:
        return {
            "generation": text,
            "prompt_token_count": invocation.prompt_tokens,
            "generation_token_count": last.tokens,
            "stop_reason": last.finish_reason,
            "logprobs": None,
        }

    def chunk(self, invocation: Invocation, piece: Piece, *, first: bool) -> dict[str, Any]:
        chunk = self.answer(invocation, piece.text, piece)
        return chunk if first else chunk | {"prompt_token_count": None}


class OpenAICompletion(BodyFormat):
    """`prompt` and `max_tokens`, as OpenAI's completions take them."""

    def answer(self, invocation: Invocation, text: str, last: Piece) -> dict[str, Any]:
        choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": last.finish_reason}
        return {
            "id": f"cmpl-{invocation.identifier}",
            "object": "text_completion",
            "created": invocation.created,
            "model": invocation.model,
            "choices": [choice],
            "usage": _usage(invocation, last),
        }

    def chunk(self, invocation: Invocation, piece: Piece, *, first: bool) -> dict[str, Any]:
        del first
        return _usage_last(self.answer(invocation, piece.text, piece), piece)


class OpenAIChatCompletion(BodyFormat):
    """`messages`, as OpenAI's chat completions take them."""

    def answer(self, invocation: Invocation, text: str, last: Piece) -> dict[str, Any]:
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "logprobs": None}
        return {
            "id": f"chatcmpl-{invocation.identifier}",
            "object": "chat.completion",
            "created": invocation.created,
            "model": invocation.model,
            "choices": [choice | {"finish_reason": last.finish_reason}],
            "usage": _usage(invocation, last),
        }

    def chunk(self, invocation: Invocation, piece: Piece, *, first: bool) -> dict[str, Any]:
        chunk = self.answer(invocation, piece.text, piece) | {"object": "chat.completion.chunk"}
        delta = chunk["choices"][0].pop("message")
        if not first:
            del delta["role"]
        chunk["choices"][0]["delta"] = delta
        return _usage_last(chunk, piece)


def read_body(body: bytes) -> BodyFormat:
    """Return the format of an invocation's body, with its request.

    Raises:
        BedrockError: ValidationException; the body fits none of the three formats.
    """
    fields = _json_object(body)
    _refuse_what_is_not_computed(fields)
    _check_number(fields, "temperature", 0.0, 2.0)
    _check_number(fields, "top_p", 0.0, 1.0)
    stop_sequences = _stop_sequences(fields)
    if "messages" in fields:
        request = GenerationRequest(
            messages=_messages(fields["messages"]),
            max_tokens=_count(fields, "max_tokens") or _count(fields, "max_completion_tokens"),
            stop_sequences=stop_sequences,
        )
        return OpenAIChatCompletion(request)
    openai = "max_tokens" in fields
    request = GenerationRequest(
        prompt=_prompt(fields),
        max_tokens=_count(fields, "max_tokens" if openai else "max_gen_len"),
        stop_sequences=stop_sequences,
    )
    return OpenAICompletion(request) if openai else BedrockCompletion(request)


def refuse_prefill(last_role: str) -> None:
    """Refuse a conversation that ends with a message of the assistant.

    Raises:
        BedrockError: ValidationException; its status is recorded (400), its wording is not.
    """
    if last_role == "assistant":
        raise validation_error(
            "The last message is the assistant's: this model does not continue an answer that was "
            "begun for it. The conversation must end with a user message."
        )


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except ValueError as error:
        raise malformed_body_error("the body is not JSON") from error
    if not isinstance(fields, dict):
        raise malformed_body_error("the body is not a JSON object")
    return fields


def _refuse_what_is_not_computed(fields: dict[str, Any]) -> None:
    asked = [name for name in _NOT_COMPUTED if fields.get(name)]
    if fields.get("n", 1) != 1:
        asked.append("n")
    if (fields.get("response_format") or {"type": "text"}) != {"type": "text"}:
        asked.append("response_format")
    if asked:
        raise validation_error(f"The local Bedrock does not compute {', '.join(asked)}.")


def _check_number(fields: dict[str, Any], name: str, least: float, most: float) -> None:
    value = fields.get(name)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise malformed_body_error(f"#/{name}: expected type: Number, found: {_type(value)}")
    if not least <= value <= most:
        raise malformed_body_error(f"#/{name}: {value} is not between {least} and {most}")


def _count(fields: dict[str, Any], name: str) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise malformed_body_error(f"#/{name}: expected type: Integer, found: {_type(value)}")
    if value < 1:
        raise malformed_body_error(f"#/{name}: {value} is not greater or equal to 1")
    return value


def _stop_sequences(fields: dict[str, Any]) -> tuple[str, ...]:
    stop = fields.get("stop") or []
    sequences = [stop] if isinstance(stop, str) else stop
    if not isinstance(sequences, list) or not all(isinstance(text, str) for text in sequences):
        raise malformed_body_error("#/stop: expected type: String or Array of String")
    return tuple(text for text in sequences if text)


def _prompt(fields: dict[str, Any]) -> str:
    if "prompt" not in fields:
        raise malformed_body_error("#: required key [prompt] not found")
    prompt = fields["prompt"]
    if not isinstance(prompt, str):
        raise malformed_body_error(f"#/prompt: expected type: String, found: {_type(prompt)}")
    return prompt


def _messages(messages: object) -> tuple[dict[str, str], ...]:
    if not isinstance(messages, list) or not messages:
        raise malformed_body_error("#/messages: expected a list of at least one message")
    read = tuple(_message(message, f"#/messages/{at}") for at, message in enumerate(messages))
    refuse_prefill(read[-1]["role"])
    return read


def _message(message: object, at: str) -> dict[str, str]:
    if not isinstance(message, dict):
        raise malformed_body_error(f"{at}: expected type: Object, found: {_type(message)}")
    role = message.get("role")
    if role not in CHAT_ROLES:
        raise malformed_body_error(f"{at}/role: {role} is not one of {', '.join(CHAT_ROLES)}")
    return {"role": role, "content": _content(message.get("content"), f"{at}/content")}


def _content(content: object, at: str) -> str:
    """Return a message's text; its parts are joined by newlines."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        raise malformed_body_error(f"{at}: expected type: String, found: {_type(content)}")
    texts = [part.get("text") if isinstance(part, dict) else None for part in content]
    if not all(isinstance(text, str) for text in texts):
        raise malformed_body_error(f"{at}: this model takes parts of type text only")
    return "\n".join(str(text) for text in texts)


def _usage(invocation: Invocation, last: Piece) -> dict[str, int]:
    return {
        "prompt_tokens": invocation.prompt_tokens,
        "completion_tokens": last.tokens,
        "total_tokens": invocation.prompt_tokens + last.tokens,
    }


def _usage_last(chunk: dict[str, Any], piece: Piece) -> dict[str, Any]:
    """Return a chunk that counts tokens only if it is the last one."""
    if piece.finish_reason is None:
        del chunk["usage"]
    return chunk


def _type(value: object) -> str:
    return "Null" if value is None else type(value).__name__
