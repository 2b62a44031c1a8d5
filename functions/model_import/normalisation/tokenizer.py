"""tokenizer_config.json: a class that Bedrock knows, and the one chat template."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from model_import.chat_template import (
    TEMPLATE_JINJA,
    TEMPLATE_JSON,
    TOKENIZER_CONFIG,
    ChatTemplateError,
    default_template,
    separate_template,
)

if TYPE_CHECKING:
    from model_import.normalisation.document import Document, StagedCopy


_NAMES_OF_5: Final = ("TokenizersBackend", "SentencePieceBackend", "PythonBackend")
"""The base classes of transformers 5, by which it names a tokenizer without a class of its own."""

_ANY_TOKENIZER: Final = "PreTrainedTokenizerFast"
"""On Bedrock's list for every model; it reads tokenizer.json, which Bedrock requires."""


def normalise_tokenizer(copy: StagedCopy) -> None:
    """Name a class that Bedrock knows and embed the chat template, as the only one."""
    template = _separate_template(copy)
    edited = copy.edit(
        TOKENIZER_CONFIG,
        _use_known_class,
        _name_extra_tokens,
        partial(_embed, template) if template is not None else _choose_default,
    )
    if edited and template is not None:
        for file in (TEMPLATE_JINJA, TEMPLATE_JSON):
            if file in copy.files:
                copy.drop(file, "The chat template is in tokenizer_config.json; Bedrock takes one.")


def _use_known_class(document: Document) -> None:
    if document.root.get("tokenizer_class") in _NAMES_OF_5:
        document.put(
            "tokenizer_class",
            _ANY_TOKENIZER,
            "The class exists in transformers 5 only, and is not on Bedrock's list.",
        )


def _name_extra_tokens(document: Document) -> None:
    tokens = document.root.get("extra_special_tokens")
    if not isinstance(tokens, list):
        return
    kept = "additional_special_tokens" in document.root or not tokens
    document.replace(
        "extra_special_tokens",
        {} if kept else {"additional_special_tokens": tokens},
        "transformers 4.51.3 expects an object of that name and fails on a list, which it calls "
        "additional_special_tokens.",
    )


def _separate_template(copy: StagedCopy) -> str | None:
    """Return the template that goes before the embedded one, None when there is none to read."""
    try:
        return separate_template(copy.files)
    except ChatTemplateError:
        return None


def _embed(template: str, document: Document) -> None:
    if document.root.get("chat_template") != template:
        document.put(
            "chat_template",
            template,
            "Bedrock's pages disagree on where it reads a separate template; both take it here.",
            matters=False,
        )


def _choose_default(document: Document) -> None:
    templates = document.root.get("chat_template")
    template = default_template(templates)
    if template is not None and template != templates:
        document.put(
            "chat_template",
            template,
            "Bedrock takes one template; of several named ones transformers uses this.",
            matters=False,
        )
