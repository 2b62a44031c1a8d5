"""A loaded model that continues text: tokenizer, chat template and greedy decoding."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tokenizers import Tokenizer

from local.bedrock.llama import LlamaConfig, LlamaDecoder, NotComputedError, tensor_shapes
from local.bedrock.safetensors_reader import to_float32
from model_import.chat.rendering import render_chat
from model_import.chat.template import find_chat_template, special_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from local.bedrock.import_job import Checkpoint

# The number of prompt tokens that are decoded before the answer's. A tokenizer strips the space
# before the first word of a text, and the answer's first word must keep its space.
_CONTEXT_TOKENS = 6
# An incomplete UTF-8 sequence decodes to this until its last byte is there.
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class Piece:
    """The text that one generated token adds; the last piece has a reason.

    `tokens` counts the tokens generated so far, including the end token. `stop_sequence` is the
    text that ended the generation; it is not part of `text`.
    """

    text: str
    tokens: int
    finish_reason: Literal["stop", "length"] | None = None
    stop_sequence: str | None = None


@dataclass(frozen=True, slots=True)
class TextModel:
    """A model that generates text; threads may share it."""

    tokenizer: Tokenizer
    decoder: LlamaDecoder
    chat_template: str | None
    special_tokens: Mapping[str, str]
    end_ids: frozenset[int]

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> TextModel:
        """Return the model with its weights as float32.

        Raises:
            NotComputedError: The local runtime does not compute it, or has no copy of the weights.
        """
        config = LlamaConfig.from_dict(checkpoint.config)
        if checkpoint.shards is None:
            raise NotComputedError("models of this size; it holds no copy of the weights")
        tokenizer = Tokenizer.from_buffer(checkpoint.files["tokenizer.json"])
        return cls(
            tokenizer=tokenizer,
            decoder=LlamaDecoder(config, _weights(checkpoint, config)),
            chat_template=find_chat_template(checkpoint.files, checkpoint.tokenizer_config),
            special_tokens=_special_tokens(checkpoint),
            end_ids=_end_ids(checkpoint, tokenizer),
        )

    @property
    def context_tokens(self) -> int:
        """Return the maximum number of tokens of prompt and answer together."""
        return self.decoder.config.max_position_embeddings

    def prompt_ids(self, prompt: str) -> list[int]:
        """Return a plain prompt's tokens, with the token that begins a text only once."""
        begins = self.special_tokens.get("bos_token")
        begun = begins is not None and prompt.startswith(begins)
        return self.tokenizer.encode(prompt, add_special_tokens=not begun).ids

    def chat_ids(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """Return a conversation's tokens; the template writes the special tokens.

        Raises:
            ChatTemplateError: The template refuses the conversation.
        """
        prompt = render_chat(self.chat_template or "", messages, self.special_tokens)
        return self.tokenizer.encode(prompt, add_special_tokens=False).ids

    def generate(
        self, prompt_ids: Sequence[int], *, max_tokens: int, stop_sequences: Sequence[str] = ()
    ) -> Iterator[Piece]:
        """Yield the greedy continuation, a piece for each token."""
        context = list(prompt_ids[-_CONTEXT_TOKENS:])
        before = len(self.tokenizer.decode(context))
        sent, generated = 0, list[int]()
        for tokens, token_id in enumerate(self._token_ids(prompt_ids), start=1):
            ended = token_id in self.end_ids
            if not ended:
                generated.append(token_id)
            text = self.tokenizer.decode(context + generated)[before:]
            stop = _first_stop(text, stop_sequences)
            if stop:
                yield Piece(text[sent : text.index(stop)], tokens, "stop", stop)
                return
            if ended or tokens == max_tokens:
                yield Piece(text[sent:], tokens, "stop" if ended else "length")
                return
            ready = max(sent, _certain_characters(text, stop_sequences))
            yield Piece(text[sent:ready], tokens)
            sent = ready

    def _token_ids(self, prompt_ids: Sequence[int]) -> Iterator[int]:
        cache = self.decoder.new_cache()
        token_ids = prompt_ids
        while True:
            token_id = int(self.decoder.next_logits(token_ids, cache).argmax())
            yield token_id
            token_ids = [token_id]


def _weights(checkpoint: Checkpoint, config: LlamaConfig) -> dict[str, Any]:
    needed = tensor_shapes(config)
    return {
        name: to_float32(tensor, memoryview((checkpoint.shards or {})[shard]))
        for shard, tensors in checkpoint.tensors.items()
        for name, tensor in tensors.items()
        if name in needed
    }


def _special_tokens(checkpoint: Checkpoint) -> dict[str, str]:
    older = json.loads(checkpoint.files.get("special_tokens_map.json", b"{}"))
    return special_tokens(checkpoint.tokenizer_config, older)


def _end_ids(checkpoint: Checkpoint, tokenizer: Tokenizer) -> frozenset[int]:
    """Return the tokens that end an answer: the configured ones and the tokenizer's own.

    generation_config.json takes precedence over config.json.
    """
    generation = json.loads(checkpoint.files.get("generation_config.json", b"{}"))
    configured = generation.get("eos_token_id", checkpoint.config.get("eos_token_id"))
    ids = {*configured} if isinstance(configured, list) else {configured}
    ids.add(tokenizer.token_to_id(_special_tokens(checkpoint).get("eos_token", "")))
    return frozenset(token_id for token_id in ids if token_id is not None)


def _first_stop(text: str, stop_sequences: Sequence[str]) -> str | None:
    found = [stop for stop in stop_sequences if stop in text]
    return min(found, key=text.index, default=None)


def _certain_characters(text: str, stop_sequences: Sequence[str]) -> int:
    """Return how many characters no later token can change or make part of a stop sequence."""
    whole = text.rstrip(_REPLACEMENT)
    return len(whole) - max((_begun(whole, stop) for stop in stop_sequences), default=0)


def _begun(text: str, stop: str) -> int:
    """Return how many characters of a stop sequence the text ends with."""
    lengths = range(min(len(stop) - 1, len(text)), 0, -1)
    return next((length for length in lengths if text.endswith(stop[:length])), 0)
