"""Prompt formats for models without a chat template, chosen by their special tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

type Message = dict[str, str]


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """The prompt format of a family; `stop` ends the model's turn."""

    marker: str
    start: str
    turn: str
    assistant: str
    stop: str

    def render(self, messages: list[Message]) -> str:
        """Return the prompt, up to where the assistant's next turn starts."""
        turns = "".join(self.turn.format(**message) for message in messages)
        return self.start + turns + self.assistant


FORMATS: Final = (
    # https://www.llama.com/docs/model-cards-and-prompt-formats/meta-llama-3/
    ChatFormat(
        marker="<|start_header_id|>",
        start="<|begin_of_text|>",
        turn="<|start_header_id|>{role}<|end_header_id|>\n\n{content}<|eot_id|>",
        assistant="<|start_header_id|>assistant<|end_header_id|>\n\n",
        stop="<|eot_id|>",
    ),
    # ChatML: https://github.com/openai/openai-python/blob/release-v0.28.0/chatml.md
    ChatFormat(
        marker="<|im_start|>",
        start="",
        turn="<|im_start|>{role}\n{content}<|im_end|>\n",
        assistant="<|im_start|>assistant\n",
        stop="<|im_end|>",
    ),
)


def chat_format(special_tokens: set[str]) -> ChatFormat | None:
    """Return the format whose marker is among the special tokens; None for a base model."""
    return next((format_ for format_ in FORMATS if format_.marker in special_tokens), None)
