"""The calls of the `bedrock-runtime` endpoint: cold starts, and answers from imported weights.

Recorded or documented wordings: a model that is not ready, an identifier that is invalid, a model
that Converse does not support. The other messages are not Bedrock's wording.
"""

from __future__ import annotations

import base64
import logging
import uuid
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from local.bedrock.body_formats import BodyFormat, GenerationRequest, Invocation, read_body
from local.bedrock.control_plane import ImportedModel
from local.bedrock.converse import converse_answer, converse_events, read_conversation
from local.bedrock.errors import BedrockError, malformed_body_error, validation_error
from local.bedrock.event_stream import CONTENT_TYPE, event_message, exception_message
from local.bedrock.llama import NotComputedError
from local.bedrock.reply import Reply, json_reply
from local.bedrock.service_model import json_text
from local.bedrock.text_model import Piece, TextModel
from model_import.chat.template import ChatTemplateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime

    from local.bedrock.settings import BedrockSettings

    type Request = Mapping[str, Any]

# Not documented for imported models; Bedrock's own Llama models generate this many by default.
DEFAULT_MAX_TOKENS = 512
_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class _Copy:
    """The only copy of a model: cold until it has been invoked often enough, loaded while warm."""

    cold_starts_left: int
    last_invoked: datetime
    loaded: TextModel | None = None


@dataclass(frozen=True, slots=True)
class _Generation:
    """A generation whose request has passed all checks."""

    pieces: Iterator[Piece]
    invocation: Invocation
    started: datetime


class Runtime:
    """Answers invocations; `lock` guards the models, but not the generation."""

    def __init__(
        self,
        find_model: Callable[[str], ImportedModel],
        settings: BedrockSettings,
        lock: AbstractContextManager[object],
    ) -> None:
        self._find_model = find_model
        self._settings = settings
        self._lock = lock
        self._copies = WeakKeyDictionary[ImportedModel, _Copy]()

    def invoke_model(self, request: Request) -> Reply:
        """Return the whole answer in the format of the request's body."""
        model, text_model = self._warm_model(request["modelId"])
        form = read_body(request["body"])
        generation = self._start(model, text_model, form.request)
        text, last = _collect(generation.pieces)
        return json_reply(HTTPStatus.OK, form.answer(generation.invocation, text, last))

    def invoke_model_with_response_stream(self, request: Request) -> Reply:
        """Return the answer piece by piece in the format of the request's body."""
        model, text_model = self._warm_model(request["modelId"])
        form = read_body(request["body"])
        chunks = self._chunks(form, self._start(model, text_model, form.request))
        return _stream_reply(chunks, {"x-amzn-bedrock-content-type": "application/json"})

    def converse(self, request: Request) -> Reply:
        """Return the whole answer to a conversation."""
        generation = self._start_conversation(request)
        text, last = _collect(generation.pieces)
        prompt_tokens = generation.invocation.prompt_tokens
        latency = self._milliseconds_since(generation.started)
        return json_reply(HTTPStatus.OK, converse_answer(text, last, prompt_tokens, latency))

    def converse_stream(self, request: Request) -> Reply:
        """Return the answer to a conversation as events."""
        generation = self._start_conversation(request)
        events = converse_events(
            generation.pieces,
            generation.invocation.prompt_tokens,
            lambda: self._milliseconds_since(generation.started),
        )
        return _stream_reply(events, {})

    def _chunks(self, form: BodyFormat, generation: _Generation) -> Iterator[bytes]:
        first_byte_latency: int | None = None
        for piece in generation.pieces:
            if not piece.text and not piece.finish_reason:
                continue
            latency = self._milliseconds_since(generation.started)
            chunk = form.chunk(generation.invocation, piece, first=first_byte_latency is None)
            if first_byte_latency is None:
                first_byte_latency = latency
            if piece.finish_reason:
                chunk["amazon-bedrock-invocationMetrics"] = {
                    "inputTokenCount": generation.invocation.prompt_tokens,
                    "outputTokenCount": piece.tokens,
                    "invocationLatency": latency,
                    "firstByteLatency": first_byte_latency,
                }
            payload = {"bytes": base64.b64encode(json_text(chunk)).decode()}
            yield event_message("chunk", json_text(payload))

    def _start_conversation(self, request: Request) -> _Generation:
        with self._lock:
            supported = self._find_model(request["modelId"]).instruct_supported
        if not supported:
            raise validation_error(
                "This action doesn't support the model that you provided. Try again with a "
                "supported text or chat model."
            )
        model, text_model = self._warm_model(request["modelId"])
        return self._start(model, text_model, read_conversation(request))

    def _warm_model(self, model_id: str) -> tuple[ImportedModel, TextModel]:
        """Return a model that is loaded.

        Raises:
            BedrockError: ModelNotReadyException while it is cold; ModelErrorException if the local
                runtime cannot compute it, because then the request is valid and a retry cannot
                help, which neither ValidationException nor a retried error means.
        """
        with self._lock:
            model = self._find_model(model_id)
            copy = self._copy(model)
            if copy.cold_starts_left > 0:
                copy.cold_starts_left -= 1
                raise BedrockError(
                    "ModelNotReadyException",
                    f"Model {model.arn} is not ready to serve inference requests. The AWS SDK will "
                    "automatically retry the operation up to 5 times. For information about "
                    "configuring automatic retries, see Retry behavior in the AWS SDKs and Tools "
                    "reference guide.",
                )
            if copy.loaded is None:
                try:
                    copy.loaded = TextModel.load(model.checkpoint)
                except NotComputedError as error:
                    raise BedrockError(
                        "ModelErrorException",
                        f"The model {model.name} is imported, but the local Bedrock does not "
                        f"compute {error}.",
                    ) from error
            return model, copy.loaded

    def _copy(self, model: ImportedModel) -> _Copy:
        """Return the copy of a model, which is cold if new or idle for too long."""
        now = self._settings.clock()
        copy = self._copies.get(model)
        idle = (now - copy.last_invoked).total_seconds() if copy else 0.0
        if copy is None or idle > self._settings.idle_seconds:
            copy = self._copies[model] = _Copy(self._settings.cold_starts, now)
        copy.last_invoked = now
        return copy

    def _start(
        self, model: ImportedModel, text_model: TextModel, request: GenerationRequest
    ) -> _Generation:
        started = self._settings.clock()
        prompt_ids = _prompt_ids(text_model, request)
        max_tokens = _max_tokens(text_model, len(prompt_ids), request)
        pieces = text_model.generate(
            prompt_ids, max_tokens=max_tokens, stop_sequences=request.stop_sequences
        )
        _, _, _, _, account_id, resource = model.arn.split(":")
        invocation = Invocation(
            identifier=uuid.uuid4().hex,
            created=int(started.timestamp()),
            model=f"{account_id}-{resource.rpartition('/')[2]}",
            prompt_tokens=len(prompt_ids),
        )
        return _Generation(pieces, invocation, started)

    def _milliseconds_since(self, moment: datetime) -> int:
        return int((self._settings.clock() - moment).total_seconds() * 1000)


def _prompt_ids(text_model: TextModel, request: GenerationRequest) -> list[int]:
    if request.messages is None:
        prompt_ids = text_model.prompt_ids(request.prompt or "")
    elif text_model.chat_template is None:
        raise validation_error(
            "The model has no chat template, and no default one is applied: send a prompt instead "
            "of messages, or import the model with a chat_template."
        )
    else:
        try:
            prompt_ids = text_model.chat_ids(request.messages)
        except ChatTemplateError as error:
            raise validation_error(f"The model's chat template failed: {error}") from error
    if not prompt_ids:
        raise malformed_body_error("the prompt is empty")
    return prompt_ids


def _max_tokens(text_model: TextModel, prompt_tokens: int, request: GenerationRequest) -> int:
    room = text_model.context_tokens - prompt_tokens
    max_tokens = request.max_tokens or max(1, min(DEFAULT_MAX_TOKENS, room))
    if max_tokens > room:
        raise validation_error(
            f"This model's maximum context length is {text_model.context_tokens} tokens. However, "
            f"you requested {prompt_tokens + max_tokens} tokens ({prompt_tokens} in the prompt, "
            f"{max_tokens} in the completion)."
        )
    return max_tokens


def _collect(pieces: Iterable[Piece]) -> tuple[str, Piece]:
    """Return the whole text and the piece that ended it."""
    collected = list(pieces)
    return "".join(piece.text for piece in collected), collected[-1]


def _stream_reply(events: Iterator[bytes], headers: Mapping[str, str]) -> Reply:
    return Reply(HTTPStatus.OK, {"content-type": CONTENT_TYPE, **headers}, _guarded(events))


def _guarded(events: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the events; a failure after the headers becomes the stream's last message."""
    try:
        yield from events
    except Exception:
        _LOGGER.exception("a stream ended with an error")
        message = {"message": "The model failed while it streamed its answer."}
        yield exception_message("modelStreamErrorException", json_text(message))
