"""Reads the tokens of tokenizer.json, and skips what is not valid."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Ids by text; `added` are the tokens that are matched before a text is split into tokens."""

    ids: Mapping[str, int] = field(default_factory=dict)
    added: frozenset[str] = frozenset()

    @property
    def size(self) -> int:
        """Return the id after the highest one, which transformers gives to the next added token."""
        return max(self.ids.values(), default=-1) + 1

    def token_at_start(self, text: str) -> str | None:
        """Return the longest added token that a text begins with."""
        found = [token for token in self.added if token and text.startswith(token)]
        return max(found, key=len, default=None)


def read_vocabulary(tokenizer: Mapping[str, Any]) -> Vocabulary:
    """Return the vocabulary of a tokenizer.json."""
    added = dict(_added_tokens(tokenizer.get("added_tokens")))
    model = tokenizer.get("model")
    words = model.get("vocab") if isinstance(model, dict) else None
    return Vocabulary({**dict(_words(words)), **added}, frozenset(added))


def _words(words: object) -> Iterator[tuple[str, int]]:
    if isinstance(words, dict):
        yield from ((word, number) for word, number in words.items() if type(number) is int)
    elif isinstance(words, list):
        # Unigram lists pairs of a text and its score, in the order of the ids.
        for number, pair in enumerate(words):
            match pair:
                case [str(word), *_]:
                    yield word, number


def _added_tokens(tokens: object) -> Iterator[tuple[str, int]]:
    for token in tokens if isinstance(tokens, list) else []:
        match token:
            case {"id": int(number), "content": str(content)} if type(number) is int:
                yield content, number
