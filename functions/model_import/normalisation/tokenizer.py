"""tokenizer_config.json: a class that Bedrock knows, and the one chat template."""

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


_NAMES_OF_5: Final = ("TokenizersBackend", "SentencePieceBackend", "PythonBackend")
"""The base classes of transformers 5, by which it names a tokenizer without a class of its own."""

_ANY_TOKENIZER: Final = "PreTrainedTokenizerFast"
"""On Bedrock's list for every model; it reads tokenizer.json, which Bedrock requires."""


_FRAMING: Final = {
    "LlamaTokenizer": (True, False),
    "CodeLlamaTokenizer": (True, False),
    "GPTNeoXTokenizer": (False, False),
}
"""Classes that frame a text in Bedrock's transformers by add_bos_token and add_eos_token, whatever
tokenizer.json says; and the defaults of the two."""

_BUILT_ANEW: Final = ("LlamaTokenizer", "CodeLlamaTokenizer")
_SENTENCEPIECE: Final = "tokenizer.model"

_WRITTEN_BY_5: Final = "backend"
"""A key that only transformers 5 writes; it leaves the two settings out, and 4 writes them."""


def normalise_tokenizer(copy: StagedCopy) -> None:
    """Name a class that Bedrock knows and embed the chat template, as the only one."""
    template = _separate_template(copy)
    edited = copy.edit(
        TOKENIZER_CONFIG,
        _use_known_class,
        _name_extra_tokens,
        partial(_state_framing, copy),
        partial(_read_as_it_is, copy),
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
        f"{TRANSFORMERS} expects an object of that name and fails on a list, which it calls "
        "additional_special_tokens.",
    )


def _state_framing(copy: StagedCopy, document: Document) -> None:
    root = document.root
    defaults = _FRAMING.get(str(root.get("tokenizer_class")).removesuffix("Fast"))
    if defaults is None or _WRITTEN_BY_5 not in root:
        return
    tokenizer = copy.read(TOKENIZER)
    if tokenizer is None:
        return
    framing = _framing(tokenizer.get("post_processor"))
    for name, default, stated in zip(
        ("add_bos_token", "add_eos_token"), defaults, framing, strict=True
    ):
        if name not in root and stated != default:
            document.put(
                name,
                stated,
                f"{TRANSFORMERS} frames a text by this setting, and not as the post_processor "
                f"of {TOKENIZER} says; transformers 5 does not write it.",
            )


def _read_as_it_is(copy: StagedCopy, document: Document) -> None:
    root = document.root
    if (
        str(root.get("tokenizer_class")).removesuffix("Fast") in _BUILT_ANEW
        and _WRITTEN_BY_5 in root
        and root.get("add_prefix_space") is not None
        and _SENTENCEPIECE not in copy.files
    ):
        document.put(
            "add_prefix_space",
            None,
            f"{TRANSFORMERS} builds this class anew from {_SENTENCEPIECE} where this is set, "
            f"and fails without that file; {TOKENIZER} says the same.",
        )


def _framing(processor: object) -> tuple[bool, bool]:
    """Return whether a post_processor puts a token before a text, and one behind it."""
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
