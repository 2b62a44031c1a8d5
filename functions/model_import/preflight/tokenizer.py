"""Checks the tokenizer: its class, its vocabulary and its special tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from model_import.bedrock.rules import bedrock_rules
from model_import.chat.template import TOKENIZER_CONFIG, special_tokens
from model_import.findings.finding import Finding, some
from model_import.model_files.names import SPECIAL_TOKENS, TOKENIZER
from model_import.preflight.vocabulary import Vocabulary, read_vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from model_import.model_files.safetensors import Header

_EMBEDDING: Final = re.compile(r"(^|\.)(embed_tokens|shared|wte)\.weight$")
# The tensors that have one row for each token.


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """The content of a tokenizer's files; empty if they are missing or not JSON objects."""

    config: dict[str, Any]
    vocabulary: Vocabulary
    special_tokens: dict[str, str]

    def id_of(self, name: str) -> int | None:
        """Return the id of a special token by its name (`eos_token`), or None without one."""
        return self.vocabulary.ids.get(self.special_tokens.get(name, ""))


def read_tokenizer(
    names: Collection[str], read_json: Callable[[str], object]
) -> tuple[Tokenizer, list[Finding]]:
    """Return the tokenizer in the files of these names; select_files reports missing files."""
    findings: list[Finding] = []

    def read(path: str) -> dict[str, Any]:
        value = read_json(path) if path in names else {}
        if isinstance(value, dict):
            return value
        findings.append(_invalid(path, "The file is not a JSON object"))
        return {}

    config, vocabulary = read(TOKENIZER_CONFIG), read(TOKENIZER)
    if TOKENIZER in names and not findings and not _has_model(vocabulary):
        findings.append(_invalid(TOKENIZER, "The file has no model with a vocab"))
    older = read_json(SPECIAL_TOKENS) if SPECIAL_TOKENS in names else None
    tokens = special_tokens(config, older if isinstance(older, dict) else None)
    return Tokenizer(config, read_vocabulary(vocabulary), tokens), findings


def embedding_rows(headers: dict[str, Header], config: dict[str, Any]) -> int | None:
    """Return the number of rows of the embedding, from the weights or else from config.json."""
    for header in headers.values():
        for tensor in header.tensors:
            if _EMBEDDING.search(tensor.name) and tensor.shape:
                return tensor.shape[0]
    text = config.get("text_config")
    for place in (config, text if isinstance(text, dict) else {}):
        if type(place.get("vocab_size")) is int:
            return int(place["vocab_size"])
    return None


def check_tokenizer(tokenizer: Tokenizer, rows: int | None) -> Iterator[Finding]:
    """Yield findings on the tokenizer; `rows` is the number of rows of the embedding."""
    yield from _check_class(tokenizer.config)
    yield from _check_size(tokenizer.vocabulary, rows)
    yield from _check_special_tokens(tokenizer, rows)
    yield from _check_agreement(tokenizer)


def _has_model(tokenizer: dict[str, Any]) -> bool:
    model = tokenizer.get("model")
    return isinstance(model, dict) and isinstance(model.get("vocab"), dict | list)


def _invalid(path: str, found: str) -> Finding:
    return Finding.of(
        "TOKENIZER_INVALID",
        path,
        found=found,
        accepted="The file that save_pretrained writes.",
    )


def _check_class(config: dict[str, Any]) -> Iterator[Finding]:
    accepted = bedrock_rules().tokenizer_classes
    found = config.get("tokenizer_class")
    if found is not None and found not in accepted:
        yield Finding.of(
            "TOKENIZER_CLASS_UNSUPPORTED",
            f"{TOKENIZER_CONFIG}: tokenizer_class",
            found=f"The tokenizer_class is {found}",
            accepted=f"Bedrock supports {', '.join(accepted)}.",
        )


def _check_size(vocabulary: Vocabulary, rows: int | None) -> Iterator[Finding]:
    if rows is not None and vocabulary.size > rows:
        yield Finding.of(
            "VOCABULARY_TOO_LARGE",
            TOKENIZER,
            found=f"A token has the id {vocabulary.size - 1}, but the embedding has {rows} rows",
            accepted="An embedding with a row for each token.",
        )


def _check_special_tokens(tokenizer: Tokenizer, rows: int | None) -> Iterator[Finding]:
    """Yield a finding on special tokens that are missing from the vocabulary."""
    known = tokenizer.vocabulary.ids
    unknown = sorted({token for token in tokenizer.special_tokens.values() if token not in known})
    if not known or not unknown:
        return
    size = tokenizer.vocabulary.size
    without_row = rows is not None and size + len(unknown) > rows
    yield Finding.of(
        "SPECIAL_TOKEN_UNKNOWN",
        TOKENIZER_CONFIG,
        found=f"{some(unknown)} is not in {TOKENIZER}, so transformers adds it with the id {size}"
        + (f", but the embedding has {rows} rows" if without_row else ""),
        accepted="Special tokens of the vocabulary, with which the model was trained.",
    )


def _check_agreement(tokenizer: Tokenizer) -> Iterator[Finding]:
    """Yield a finding on tokens whose ids in tokenizer_config.json and tokenizer.json differ."""
    decoder = tokenizer.config.get("added_tokens_decoder")
    known = tokenizer.vocabulary.ids
    differing = [
        f"{token['content']} ({number} and {known.get(token['content'], 'none')})"
        for number, token in (decoder.items() if isinstance(decoder, dict) else ())
        if isinstance(token, dict)
        and isinstance(token.get("content"), str)
        and str(known.get(token["content"])) != number
    ]
    if known and differing:
        yield Finding.of(
            "TOKENIZER_FILES_DISAGREE",
            f"{TOKENIZER_CONFIG}: added_tokens_decoder",
            found=f"{len(differing)} tokens have other ids than in {TOKENIZER}: {some(differing)}",
            accepted=f"The same ids in both files. transformers uses those of {TOKENIZER}.",
        )
