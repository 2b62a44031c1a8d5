"""The input of an execution; it is checked only here."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any, Final, Self, TypeGuard

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # is exported

from model_import.bedrock.rules import bedrock_rules
from model_import.errors import InvalidInputError
from model_import.request.wanted_import import SOURCE_TAGS

_REPO_ID_CHARACTERS_AT_MOST: Final = 200  # the Hub accepts less, and says so itself
_REVISION_CHARACTERS_AT_MOST: Final = 255
_EXPECT_CHARACTERS_AT_MOST: Final = 1_000
_PROMPT_CHARACTERS_AT_MOST: Final = 20_000


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """The checked input of an execution; if `model_name` is None, it is derived from the source."""

    repo_id: str
    revision: str
    model_name: str | None
    tags: dict[str, str]
    prompt: str | None
    expect: str | None
    normalise: bool

    @classmethod
    def from_input(cls, data: object) -> Self:
        """Check the input of an execution.

        Raises:
            InvalidInputError: It is not an object, or a field is unknown, missing or malformed.
        """
        if not isinstance(data, dict):
            raise InvalidInputError(f"The input is {data!r:.100}", f"Give a JSON object {_EXAMPLE}")
        known = [field.name for field in fields(cls)]
        if unknown := sorted(str(name) for name in data if name not in known):
            raise InvalidInputError(
                f"The input has unknown fields: {', '.join(map(repr, unknown)):.1000}",
                f"Known fields are {', '.join(known)}",
            )
        return cls(
            repo_id=_repo_id(data.get("repo_id")),
            revision=_revision(data.get("revision")),
            model_name=_model_name(data.get("model_name")),
            tags=_tags(data.get("tags")),
            prompt=_text(data, "prompt", _PROMPT_CHARACTERS_AT_MOST),
            expect=_text(data, "expect", _EXPECT_CHARACTERS_AT_MOST),
            normalise=_flag(data, "normalise", default=True),
        )


_EXAMPLE: Final = 'such as {"repo_id": "tokyotech-llm/Llama-3-Swallow-70B-Instruct-v0.1"}'


def _repo_id(value: object) -> str:
    accepted = f"Give organisation/name as the Hub spells it, {_EXAMPLE}"
    if not _is_text(value, _REPO_ID_CHARACTERS_AT_MOST):
        raise InvalidInputError(f"repo_id is {value!r:.100}", accepted)
    try:
        validate_repo_id(value)
    except HFValidationError as error:
        raise InvalidInputError(f"repo_id is {value!r:.200}", f"{error} {accepted}") from None
    if "/" not in value:
        raise InvalidInputError(f"repo_id {value!r} has no organisation or user", accepted)
    return value


def _revision(value: object) -> str:
    if value is None:
        return "main"
    # The characters that git refuses in a reference, and those that would change a URL.
    if not _is_text(value, _REVISION_CHARACTERS_AT_MOST) or re.search(
        r"[\x00-\x20\x7f~^:?*\[\\%#]|\.\.|//|@\{|^[/.-]|[/.]$", value
    ):
        raise InvalidInputError(
            f"revision is {value!r:.100}", "Give a branch, a tag or a commit of the repository"
        )
    return value


def _model_name(value: object) -> str | None:
    if value is None:
        return None
    rules = bedrock_rules()
    if (
        not isinstance(value, str)
        or len(value) > rules.name_characters_at_most
        or not rules.imported_model_name.fullmatch(value)
    ):
        raise InvalidInputError(
            f"model_name is {value!r:.100}",
            f"Bedrock accepts 1 to {rules.name_characters_at_most} letters and digits, with single "
            "hyphens or underscores between them, and no dots",
        )
    return value


def _tags(value: object) -> dict[str, str]:
    if value is None:
        return {}
    rules = bedrock_rules()
    if not isinstance(value, dict):
        raise InvalidInputError(
            f"tags is {value!r:.100}", 'Give an object of strings: {"team": "nlp"}'
        )
    if len(value) > rules.tags_at_most - len(SOURCE_TAGS):
        raise InvalidInputError(
            f"tags has {len(value)} entries",
            f"Give at most {rules.tags_at_most - len(SOURCE_TAGS)}: Bedrock accepts "
            f"{rules.tags_at_most}, and the import sets {len(SOURCE_TAGS)} of them itself",
        )
    for key, text in value.items():
        if not _is_tag_text(key, *rules.tag_key_characters) or _is_reserved(key):
            raise InvalidInputError(f"tags has the key {key!r:.100}", _tag_rule(key))
        if not _is_tag_text(text, *rules.tag_value_characters):
            raise InvalidInputError(f"tag {key!r} has the value {text!r:.100}", _tag_rule(key))
    return value


def _is_tag_text(value: object, at_least: int, at_most: int) -> bool:
    return (
        isinstance(value, str)
        and at_least <= len(value) <= at_most
        and bedrock_rules().tag_text.fullmatch(value) is not None
    )


def _is_reserved(key: object) -> bool:
    # AWS reserves the prefix in upper and lower case.
    return key in SOURCE_TAGS or str(key).lower().startswith("aws:")


def _tag_rule(key: object) -> str:
    rules = bedrock_rules()
    if _is_reserved(key):
        return f"The import sets {', '.join(SOURCE_TAGS)} itself, and AWS reserves the prefix aws:"
    return (
        f"Bedrock accepts keys of {rules.tag_key_characters[0]} to "
        f"{rules.tag_key_characters[1]} and values of {rules.tag_value_characters[0]} to "
        f"{rules.tag_value_characters[1]} characters: "
        "ASCII letters, digits, spaces and . _ : / = + @ -"
    )


def _flag(data: dict[str, Any], field: str, *, default: bool) -> bool:
    value = data.get(field)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise InvalidInputError(f"{field} is {value!r:.100}", "Give true or false")
    return value


def _text(data: dict[str, Any], field: str, characters_at_most: int) -> str | None:
    value = data.get(field)
    if value is None:
        return None
    if not _is_text(value, characters_at_most) or not value.strip():
        raise InvalidInputError(
            f"{field} is {value!r:.100}", f"Give a string of 1 to {characters_at_most} characters"
        )
    return value


def _is_text(value: object, characters_at_most: int) -> TypeGuard[str]:
    return (
        isinstance(value, str)
        and 0 < len(value) <= characters_at_most
        # JSON can escape half of a surrogate pair, which UTF-8 cannot encode.
        and not re.search(r"[\ud800-\udfff]", value)
    )
