"""A conversation as a model's chat template writes it, with what Bedrock's transformers gives it.

A template is an untrusted program from the repository. Jinja's sandbox denies it access to Python.
Nothing in this module limits its running time; sandbox.py does.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from model_import.chat.template import ChatTemplateError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jinja2 import nodes
    from jinja2.parser import Parser


def render_chat(
    source: str,
    messages: Sequence[Mapping[str, Any]],
    tokens: Mapping[str, str],
    *,
    asking: bool = True,
) -> str:
    """Return the prompt of a conversation; if `asking`, with the start of the model's turn.

    Raises:
        ChatTemplateError: The template is not valid, or raised.
    """
    try:
        template = _environment().from_string(source)
        return template.render(
            messages=messages, tools=None, documents=None, add_generation_prompt=asking, **tokens
        )
    except Exception as error:
        # A template can raise any exception.
        raise ChatTemplateError(str(error) or type(error).__name__) from error


class _GenerationTag(jinja2.ext.Extension):
    """`{% generation %}`, which marks the assistant's part; its content is rendered unchanged."""

    tags = {"generation"}  # noqa: RUF012  as in jinja2

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
