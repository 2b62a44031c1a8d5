"""Finds a model's chat template, without running it."""

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
    """A template cannot be read, is not valid, or refuses the messages."""


def find_chat_template(
    files: Mapping[str, bytes], tokenizer_config: Mapping[str, Any]
) -> str | None:
    """Return the source of the default template, or None if there is none.

    Raises:
        ChatTemplateError: A separate file does not contain a readable template.
    """
    separate = separate_template(files)
    return default_template(tokenizer_config.get("chat_template")) if separate is None else separate


def template_file(files: Mapping[str, bytes], tokenizer_config: Mapping[str, Any]) -> str | None:
    """Return the file whose template is used, or None if there is none."""
    embedded = TOKENIZER_CONFIG if tokenizer_config.get("chat_template") else None
    return next((file for file in (TEMPLATE_JINJA, TEMPLATE_JSON) if file in files), embedded)


def separate_template(files: Mapping[str, bytes]) -> str | None:
    """Return the template in a separate file, which overrides tokenizer_config.json.

    Raises:
        ChatTemplateError: The file does not contain a readable template.
    """
    try:
        if TEMPLATE_JINJA in files:
            return files[TEMPLATE_JINJA].decode()
        if TEMPLATE_JSON in files:
            return default_template(json.loads(files[TEMPLATE_JSON])["chat_template"])
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        file = TEMPLATE_JINJA if TEMPLATE_JINJA in files else TEMPLATE_JSON
        raise ChatTemplateError(f"{file} does not contain a template: {error}") from error
    return None


def default_template(templates: object) -> str | None:
    """Return the only template, or the one named "default"."""
    return templates if isinstance(templates, str) else named_templates(templates).get("default")


def named_templates(templates: object) -> dict[str, str]:
    """Return named templates from a list or an object."""
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
    """Return the special tokens by template variable; tokenizer_config.json overrides the map."""
    values = {**(special_tokens_map or {}), **tokenizer_config}
    tokens = {name: _token_text(values.get(name)) for name in _SPECIAL_TOKENS}
    return {name: token for name, token in tokens.items() if token is not None}


def _token_text(value: object) -> str | None:
    """Return a token that is given as a string, or as an object with `content`."""
    content = value.get("content") if isinstance(value, dict) else value
    return content if isinstance(content, str) else None
