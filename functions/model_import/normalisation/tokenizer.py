"""tokenizer_config.json: names a class that Bedrock supports, and embeds one chat template."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from model_import.bedrock.transformers_version import TRANSFORMERS
from model_import.chat.template import (
    TEMPLATE_JINJA,
    TEMPLATE_JSON,
    TOKENIZER_CONFIG,
    ChatTemplateError,
    default_template,
    separate_template,
)
from model_import.model_files.names import TOKENIZER

if TYPE_CHECKING:
    from model_import.normalisation.document import Document, StagedCopy


_BASE_CLASSES_OF_5: Final = ("TokenizersBackend", "SentencePieceBackend", "PythonBackend")
"""Base classes that transformers 5 writes for a tokenizer without a class of its own."""

_ANY_TOKENIZER: Final = "PreTrainedTokenizerFast"
"""Bedrock's list has it for every model; it reads tokenizer.json, which Bedrock requires."""


_FRAMING_DEFAULTS: Final = {
    "LlamaTokenizer": (True, False),
    "CodeLlamaTokenizer": (True, False),
    "GPTNeoXTokenizer": (False, False),
}
"""Classes for which add_bos_token and add_eos_token decide in Bedrock's transformers which tokens
frame a text, whatever tokenizer.json says; and the defaults of both settings."""

_REBUILT_CLASSES: Final = ("LlamaTokenizer", "CodeLlamaTokenizer")
_SENTENCEPIECE: Final = "tokenizer.model"

_WRITTEN_BY_5: Final = "backend"
"""A key that only transformers 5 writes. It leaves out the two settings, which version 4 writes."""


def normalise_tokenizer(copy: StagedCopy) -> None:
    """Name a class that Bedrock supports, and embed the only chat template."""
    template = _separate_template(copy)
    edited = copy.edit(
        TOKENIZER_CONFIG,
        _use_known_class,
        _rename_extra_tokens,
        partial(_add_framing_settings, copy),
        partial(_clear_prefix_space, copy),
        partial(_embed, template) if template is not None else _choose_default,
    )
    if edited and template is not None:
        for file in (TEMPLATE_JINJA, TEMPLATE_JSON):
            if file in copy.files:
                copy.drop(
                    file,
                    "The chat template is in tokenizer_config.json, and Bedrock accepts only one.",
                )


def _use_known_class(document: Document) -> None:
    if document.root.get("tokenizer_class") in _BASE_CLASSES_OF_5:
        document.put(
            "tokenizer_class",
            _ANY_TOKENIZER,
            "Only transformers 5 has this class, and Bedrock's list does not.",
        )


def _rename_extra_tokens(document: Document) -> None:
    tokens = document.root.get("extra_special_tokens")
    if not isinstance(tokens, list):
        return
    kept = "additional_special_tokens" in document.root or not tokens
    document.replace(
        "extra_special_tokens",
        {} if kept else {"additional_special_tokens": tokens},
        f"{TRANSFORMERS} expects an object under this name, and fails on a list. It reads a list "
        "under additional_special_tokens.",
    )


def _add_framing_settings(copy: StagedCopy, document: Document) -> None:
    root = document.root
    defaults = _FRAMING_DEFAULTS.get(str(root.get("tokenizer_class")).removesuffix("Fast"))
    if defaults is None or _WRITTEN_BY_5 not in root:
        return
    tokenizer = copy.read(TOKENIZER)
    if tokenizer is None:
        return
    framing = _read_framing(tokenizer.get("post_processor"))
    for name, default, stated in zip(
        ("add_bos_token", "add_eos_token"), defaults, framing, strict=True
    ):
        if name not in root and stated != default:
            document.put(
                name,
                stated,
                f"{TRANSFORMERS} uses this setting, not the post_processor of {TOKENIZER}, to add "
                "tokens around a text. transformers 5 does not write the setting.",
            )


def _clear_prefix_space(copy: StagedCopy, document: Document) -> None:
    root = document.root
    if (
        str(root.get("tokenizer_class")).removesuffix("Fast") in _REBUILT_CLASSES
        and _WRITTEN_BY_5 in root
        and root.get("add_prefix_space") is not None
        and _SENTENCEPIECE not in copy.files
    ):
        document.put(
            "add_prefix_space",
            None,
            f"If this is set, {TRANSFORMERS} rebuilds the tokenizer from {_SENTENCEPIECE}, and "
            f"fails without that file. {TOKENIZER} states the same.",
        )


def _read_framing(processor: object) -> tuple[bool, bool]:
    """Return whether a post_processor puts a token before a text, and one after it."""
    steps = processor.get("processors") if isinstance(processor, dict) else None
    for step in steps if isinstance(steps, list) else [processor]:
        pieces = step.get("single") if isinstance(step, dict) else None
        if isinstance(pieces, list) and pieces:
            first, last = ("SpecialToken" in piece for piece in map(_keys, (pieces[0], pieces[-1])))
            return first, last
    return False, False


def _keys(value: object) -> set[object]:
    return set(value) if isinstance(value, dict) else set()


def _separate_template(copy: StagedCopy) -> str | None:
    """Return the template that overrides the embedded one, or None if it cannot be read."""
    try:
        return separate_template(copy.files)
    except ChatTemplateError:
        return None


def _embed(template: str, document: Document) -> None:
    if document.root.get("chat_template") != template:
        document.put(
            "chat_template",
            template,
            "Two of Bedrock's pages name different files for the template. Both accept it here.",
            matters=False,
        )


def _choose_default(document: Document) -> None:
    templates = document.root.get("chat_template")
    template = default_template(templates)
    if template is not None and template != templates:
        document.put(
            "chat_template",
            template,
            "Bedrock accepts one template. Of several named ones, transformers uses this one.",
            matters=False,
        )
