"""Where a model's chat template is, and which of several it is; nothing here runs it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

TEMPLATE_JINJA: Final = "chat_template.jinja"
TEMPLATE_JSON: Final = "chat_template.json"
TOKENIZER_CONFIG: Final = "tokenizer_config.json"
_SPECIAL_TOKENS: Final = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)


class ChatTemplateError(ValueError):
    """A template cannot be read, or is broken, or refuses the messages."""


def find_chat_template(
    files: Mapping[str, bytes], tokenizer_config: Mapping[str, Any]
) -> str | None:
    """Return the template's source, or None when there is none that is used unasked.

    Raises:
        ChatTemplateError: A file of its own holds none that can be read.
    """
    separate = separate_template(files)
    return default_template(tokenizer_config.get("chat_template")) if separate is None else separate


def template_file(files: Mapping[str, bytes], tokenizer_config: Mapping[str, Any]) -> str | None:
    """Return the file whose template counts, or None when there is none."""
    embedded = TOKENIZER_CONFIG if tokenizer_config.get("chat_template") else None
    return next((file for file in (TEMPLATE_JINJA, TEMPLATE_JSON) if file in files), embedded)


def separate_template(files: Mapping[str, bytes]) -> str | None:
    """Return the template in a file of its own, which goes before tokenizer_config.json.

    Raises:
        ChatTemplateError: The file holds none that can be read.
    """
    try:
        if TEMPLATE_JINJA in files:
            return files[TEMPLATE_JINJA].decode()
        if TEMPLATE_JSON in files:
            return default_template(json.loads(files[TEMPLATE_JSON])["chat_template"])
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        file = TEMPLATE_JINJA if TEMPLATE_JINJA in files else TEMPLATE_JSON
        raise ChatTemplateError(f"{file} holds no template: {error}") from error
    return None


def default_template(templates: object) -> str | None:
    """Return the one template, or of several named ones the one that is used unasked."""
    return templates if isinstance(templates, str) else named_templates(templates).get("default")


def named_templates(templates: object) -> dict[str, str]:
    """Return several templates by name, whether they are listed or in an object."""
    match templates:
        case dict():
            pairs = list(templates.items())
        case list():
            rows = [row for row in templates if isinstance(row, dict)]
            pairs = [(row.get("name"), row.get("template")) for row in rows]
        case _:
            pairs = []
    return {
        name: source for name, source in pairs if isinstance(name, str) and isinstance(source, str)
    }


def special_tokens(
    tokenizer_config: Mapping[str, Any], special_tokens_map: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """Return the special tokens by their template variables; the older map goes second."""
    values = {**(special_tokens_map or {}), **tokenizer_config}
    tokens = {name: _token_text(values.get(name)) for name in _SPECIAL_TOKENS}
    return {name: token for name, token in tokens.items() if token is not None}


def _token_text(value: object) -> str | None:
    """Return a token that is configured as text, or as an object with `content`."""
    content = value.get("content") if isinstance(value, dict) else value
    return content if isinstance(content, str) else None
