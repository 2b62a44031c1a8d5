"""A model's chat template: where it is found, and rendering it as transformers does."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jinja2 import nodes
    from jinja2.parser import Parser

TEMPLATE_FILE = "chat_template.jinja"
TEMPLATE_JSON_FILE = "chat_template.json"
_SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token")


class ChatTemplateError(ValueError):
    """A template refuses the messages, or is broken."""


def find_chat_template(
    files: Mapping[str, bytes], tokenizer_config: Mapping[str, Any]
) -> str | None:
    """Return the template's source: a file of its own goes before tokenizer_config.json."""
    if TEMPLATE_FILE in files:
        return files[TEMPLATE_FILE].decode()
    source: Any = tokenizer_config.get("chat_template")
    if TEMPLATE_JSON_FILE in files:
        source = json.loads(files[TEMPLATE_JSON_FILE]).get("chat_template", source)
    if isinstance(source, list):
        named = {row["name"]: row["template"] for row in source}
        source = named.get("default")
    return source if isinstance(source, str) else None


def special_tokens(tokenizer_config: Mapping[str, Any]) -> dict[str, str]:
    """Return the special tokens by their template variables."""
    tokens = {name: _token_text(tokenizer_config.get(name)) for name in _SPECIAL_TOKENS}
    return {name: token for name, token in tokens.items() if token is not None}


def render_chat(
    source: str, messages: Sequence[Mapping[str, str]], tokens: Mapping[str, str]
) -> str:
    """Return the prompt of a conversation, ending where the assistant's answer begins.

    Raises:
        ChatTemplateError: The template raised, or is not valid.
    """
    try:
        template = _environment().from_string(source)
        return template.render(
            messages=messages, tools=None, documents=None, add_generation_prompt=True, **tokens
        )
    except (jinja2.TemplateError, TypeError, ValueError) as error:
        raise ChatTemplateError(str(error)) from error


def _token_text(value: object) -> str | None:
    """Return a token that is configured as text, or as an object with `content`."""
    content = value.get("content") if isinstance(value, dict) else value
    return content if isinstance(content, str) else None


class _GenerationTag(jinja2.ext.Extension):
    """`{% generation %}`, with which a template marks the assistant's part: rendered as it is."""

    tags = {"generation"}  # noqa: RUF012  jinja2 declares it so

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[_GenerationTag, jinja2.ext.loopcontrols],
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _strftime_now
    return environment


def _to_json(value: object, **options: Any) -> str:  # noqa: ANN401  json.dumps's own options
    return json.dumps(value, **({"ensure_ascii": False} | options))


def _raise_exception(message: str) -> str:
    raise jinja2.TemplateError(message)


def _strftime_now(form: str) -> str:
    return datetime.now().astimezone().strftime(form)
