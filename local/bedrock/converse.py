"""Converse: a conversation in Bedrock's own shape, answered whole or as events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.bedrock.body_formats import GenerationRequest, refuse_prefill
from local.bedrock.errors import validation_error
from local.bedrock.event_stream import event_message
from local.bedrock.service_model import json_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from local.bedrock.text_model import Piece

# Fields that change an answer and are not supported here.
_NOT_COMPUTED = ("toolConfig", "guardrailConfig", "outputConfig", "promptVariables")


def read_conversation(request: Mapping[str, Any]) -> GenerationRequest:
    """Return the generation that a Converse or ConverseStream request asks for.

    Raises:
        BedrockError: ValidationException.
    """
    asked = [name for name in _NOT_COMPUTED if name in request]
    if asked:
        raise validation_error(f"The local Bedrock does not compute {', '.join(asked)}.")
    messages = request.get("messages", [])
    _refuse_order([message["role"] for message in messages])
    system = (
        [{"role": "system", "content": _text(request["system"])}] if request.get("system") else []
    )
    inference = request.get("inferenceConfig", {})
    return GenerationRequest(
        messages=(
            *system,
            *({"role": m["role"], "content": _text(m["content"])} for m in messages),
        ),
        max_tokens=inference.get("maxTokens"),
        stop_sequences=tuple(inference.get("stopSequences", ())),
    )


def converse_answer(
    text: str, last: Piece, prompt_tokens: int, latency_milliseconds: int
) -> dict[str, Any]:
    """Return the body of Converse's answer."""
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": _stop_reason(last),
    } | _figures(last, prompt_tokens, latency_milliseconds)


def converse_events(
    pieces: Iterable[Piece], prompt_tokens: int, latency_milliseconds: Callable[[], int]
) -> Iterator[bytes]:
    """Yield the messages of ConverseStream's answer."""
    yield _event("messageStart", {"role": "assistant"})
    for piece in pieces:
        if piece.text:
            delta = {"delta": {"text": piece.text}, "contentBlockIndex": 0}
            yield _event("contentBlockDelta", delta)
        if piece.finish_reason:
            yield _event("contentBlockStop", {"contentBlockIndex": 0})
            yield _event("messageStop", {"stopReason": _stop_reason(piece)})
            yield _event("metadata", _figures(piece, prompt_tokens, latency_milliseconds()))


def _event(event_type: str, payload: dict[str, Any]) -> bytes:
    return event_message(event_type, json_text(payload))


def _refuse_order(roles: list[str]) -> None:
    if not roles or roles[0] != "user":
        raise validation_error(
            "A conversation must start with a user message. Try again with a conversation that "
            "starts with a user message."
        )
    if any(role == before for role, before in zip(roles[1:], roles, strict=False)):
        raise validation_error(
            "A conversation must alternate between user and assistant roles. Make sure the "
            "conversation alternates between user and assistant roles and try again."
        )
    refuse_prefill(roles[-1])


def _text(blocks: list[dict[str, Any]]) -> str:
    if not all(isinstance(block.get("text"), str) for block in blocks):
        raise validation_error("This model doesn't support content other than text.")
    return "\n".join(block["text"] for block in blocks)


def _stop_reason(last: Piece) -> str:
    if last.finish_reason == "length":
        return "max_tokens"
    return "stop_sequence" if last.stop_sequence else "end_turn"


def _figures(last: Piece, prompt_tokens: int, latency_milliseconds: int) -> dict[str, Any]:
    return {
        "usage": {
            "inputTokens": prompt_tokens,
            "outputTokens": last.tokens,
            "totalTokens": prompt_tokens + last.tokens,
        },
        "metrics": {"latencyMs": latency_milliseconds},
    }
