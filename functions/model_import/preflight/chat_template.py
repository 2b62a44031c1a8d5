"""Checks that the chat template renders conversations that the model can read."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from model_import.bedrock.transformers_version import TRANSFORMERS
from model_import.chat.sandbox import Conversation, Rendering, render_bounded
from model_import.chat.template import (
    TOKENIZER_CONFIG,
    ChatTemplateError,
    find_chat_template,
    named_templates,
)
from model_import.findings.finding import Finding
from model_import.preflight.token_ids import answer_not_ended

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from model_import.preflight.tokenizer import Tokenizer
    from model_import.preflight.vocabulary import Vocabulary

_QUESTION: Final = "Which of these is an instrument?"
_ANSWER: Final = "The trumpet."
_RULE: Final = "Answer in one word."
_FIELD: Final = f"{TOKENIZER_CONFIG}: chat_template"
_MARKER: Final = re.compile(r"<[|｜][^<>\s]{1,60}[|｜]>|</?s>|<(?:start|end)_of_turn>")
# What the imported families, and similar ones, write around a turn.
_TEMPLATES_REMEMBERED: Final = 32
_EXAMPLES: Final = 5


def _user(content: str | list[dict[str, str]]) -> dict[str, Any]:
    return {"role": "user", "content": content}


_SYSTEM: Final = {"role": "system", "content": _RULE}
_ASSISTANT: Final = {"role": "assistant", "content": _ANSWER}
_TEXT: Final = {"type": "text", "text": _QUESTION}

_ASKED: Final = "one user message"
_ANSWERED: Final = "an answer"
_CONVERSATIONS: Final[dict[str, Conversation]] = {
    _ASKED: Conversation([_user(_QUESTION)]),
    _ANSWERED: Conversation([_user(_QUESTION), _ASSISTANT], asking=False),
    "a system message": Conversation([_SYSTEM, _user(_QUESTION)]),
    "a second turn": Conversation([_user("Why?"), _ASSISTANT, _user(_QUESTION)]),
}
_IMAGE: Final = "an image"
_WITH_IMAGE: Final = {_IMAGE: Conversation([_user([{"type": "image"}, _TEXT])])}


@dataclass(frozen=True, slots=True)
class _Trial:
    """The text, or the failure, of each conversation that a template was tried with."""

    texts: dict[str, str]
    failures: dict[str, str]


def check_chat_template(
    files: Mapping[str, bytes],
    tokenizer: Tokenizer,
    ends: tuple[int, ...] | None,
    *,
    multimodal: bool,
) -> Iterator[Finding]:
    """Yield findings on the chat template; `ends` are the ids at which generation stops."""
    try:
        source = find_chat_template(files, tokenizer.config)
    except ChatTemplateError as error:
        yield _invalid(str(error))
        return
    if not source:
        yield _without_default(tokenizer) or _missing()
        return
    tokens = tuple(sorted(tokenizer.special_tokens.items()))
    trial = _try_template(source, tokens, multimodal=multimodal)
    if _ASKED in trial.failures:
        yield _invalid(f"It does not render {_ASKED}: {trial.failures[_ASKED]}")
        return
    if trial.failures:
        yield _limited(trial.failures)
    if tokenizer.vocabulary.ids:
        yield from _check_tokens(trial.texts.values(), tokenizer.vocabulary)
    if ends is not None:
        yield from _check_end(trial.texts.get(_ANSWERED, ""), tokenizer.vocabulary, ends)


@functools.lru_cache(_TEMPLATES_REMEMBERED)
def _try_template(source: str, tokens: tuple[tuple[str, str], ...], *, multimodal: bool) -> _Trial:
    """Return the trial of a template; cached: a trial is a process, and fine-tunes share one."""
    conversations = _CONVERSATIONS | (_WITH_IMAGE if multimodal else {})
    renderings = render_bounded(source, dict(tokens), list(conversations.values()))
    trial = _Trial({}, {})
    for (name, conversation), rendering in zip(conversations.items(), renderings, strict=True):
        if failure := _failure(conversation, rendering):
            trial.failures[name] = failure
        else:
            trial.texts[name] = rendering.text
    if _IMAGE in trial.texts and not _markers(trial.texts[_IMAGE]) - _markers(
        trial.texts.get(_ASKED, "")
    ):
        trial.failures[_IMAGE] = "it writes no token for the image"
    return trial


def _failure(conversation: Conversation, rendering: Rendering) -> str | None:
    """Return why a rendering is not the whole conversation, or None if it is."""
    if rendering.failure is not None:
        return rendering.failure
    contents = [message["content"] for message in conversation.messages]
    said = [_QUESTION if isinstance(content, list) else content for content in contents]
    missing = [content for content in said if content not in rendering.text]
    return f"it leaves out {missing[0]!r}" if missing else None


def _markers(text: str) -> set[str]:
    return set(_MARKER.findall(text))


def _check_tokens(texts: Iterable[str], vocabulary: Vocabulary) -> Iterator[Finding]:
    written = {marker for text in texts for marker in _markers(text)}
    if unknown := sorted(written - vocabulary.ids.keys()):
        yield Finding.of(
            "CHAT_TEMPLATE_TOKENS_UNKNOWN",
            _FIELD,
            found=f"It writes {', '.join(unknown[:_EXAMPLES])}, which the vocabulary does not have",
            accepted="Tokens of the vocabulary. The model reads each other token as several pieces "
            "of text.",
        )
    elif not any(token in text for text in texts for token in vocabulary.added):
        yield Finding.of(
            "CHAT_TEMPLATE_WITHOUT_TOKENS",
            _FIELD,
            found="It writes no special token",
            accepted="Special tokens that mark where a turn begins and ends.",
        )


def _check_end(text: str, vocabulary: Vocabulary, ends: tuple[int, ...]) -> Iterator[Finding]:
    _, answer, rest = text.rpartition(_ANSWER)
    token = vocabulary.token_at_start(rest.lstrip()) if answer else None
    if token is not None and vocabulary.ids[token] not in ends:
        found = f"The chat template ends an answer with {token} ({vocabulary.ids[token]})"
        yield answer_not_ended(found, "chat_template", ends)


def _invalid(found: str) -> Finding:
    return Finding.of(
        "CHAT_TEMPLATE_INVALID",
        _FIELD,
        found=found,
        accepted=f"A Jinja template that {TRANSFORMERS} renders.",
    )


def _limited(failures: Mapping[str, str]) -> Finding:
    whole = "; ".join(f"{name}: {failure}" for name, failure in failures.items())
    return Finding.of(
        "CHAT_TEMPLATE_LIMITED",
        _FIELD,
        found=f"It does not render every conversation ({whole})",
        accepted="It renders a user message. Bedrock passes all other messages to it unchanged.",
    )


def _without_default(tokenizer: Tokenizer) -> Finding | None:
    names = named_templates(tokenizer.config.get("chat_template"))
    if not names:
        return None
    return Finding.of(
        "CHAT_TEMPLATE_UNDECIDED",
        _FIELD,
        found=f"There are {len(names)} templates ({', '.join(sorted(names))}), and none of them is "
        "named default",
        accepted="One template, or several of which one is named default.",
    )


def _missing() -> Finding:
    return Finding.of(
        "CHAT_TEMPLATE_MISSING",
        TOKENIZER_CONFIG,
        found="The repository has no chat template",
        accepted="Bedrock adds no template of its own, and rejects chat messages and Converse.",
    )
