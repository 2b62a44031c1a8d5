"""Checks that config.json, generation_config.json and the tokenizer name the same special tokens.

Differences are common in working models: an instruct model's config.json often has one end token,
its generation_config.json two, and most models name no padding token. What matters is that each id
has a row, and that generation stops at the tokens that end an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from model_import.chat.template import TOKENIZER_CONFIG
from model_import.findings.finding import Finding
from model_import.model_files.names import CONFIG, GENERATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_import.bedrock.rules import Architecture
    from model_import.preflight.tokenizer import Tokenizer

_FIELDS: Final = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
_MEANINGS: Final = {
    "bos_token_id": "which begins a text",
    "pad_token_id": "which pads a batch and does not appear in answers",
}
_NO_TOKEN: Final = -1
# The first conversions of Llama write it for no padding token.

type Places = dict[str, dict[str, Any]]
# The objects that may state ids, by name, in the order in which they are read.


def places_of_ids(config: dict[str, Any] | None, generation: object) -> Places:
    """Return the objects that may state ids; generation_config.json overrides the others."""
    text = (config or {}).get("text_config")
    places = {GENERATION: generation, CONFIG: config, f"{CONFIG}: text_config": text}
    return {name: place for name, place in places.items() if isinstance(place, dict)}


def end_ids(places: Places, row: Architecture | None) -> tuple[int, ...] | None:
    """Return the ids at which generation stops, as Bedrock's transformers reads them.

    Returns None if no file states them and the configuration is not of a known family.
    """
    if any("eos_token_id" in place for place in places.values()):
        return _stated(places, "eos_token_id")
    if row is None or CONFIG not in places:
        return None
    default = row.default_token_ids.get("eos_token_id")
    return () if default is None else (default,)


def check_token_ids(
    places: Places, tokenizer: Tokenizer, rows: int | None, row: Architecture | None
) -> Iterator[Finding]:
    """Yield findings on invalid ids, and on ids that differ from the tokenizer's."""
    for name, place in places.items():
        for field in _FIELDS:
            yield from _check_id(f"{name}: {field}", place.get(field), rows, row)
    yield from _check_end(end_ids(places, row), tokenizer)
    for field, meaning in _MEANINGS.items():
        yield from _check_same(field, meaning, places, tokenizer)


def _check_id(
    where: str, value: object, rows: int | None, row: Architecture | None
) -> Iterator[Finding]:
    ids = _ids(value)
    if ids is None:
        yield _invalid(where, f"The value is {value!r:.100}")
        return
    without_row = {number for number in ids if number < 0 or (rows is not None and number >= rows)}
    if not without_row:
        return
    found = f"The value is {value}, but the model has {rows} tokens, starting at 0"
    if without_row <= _unused_ids(row):
        yield Finding.of(
            "TOKEN_ID_UNUSED",
            where,
            found=found,
            accepted="An id of the vocabulary. transformers writes a default for a missing one.",
        )
    else:
        yield _invalid(where, found)


def _unused_ids(row: Architecture | None) -> set[int]:
    """Return the ids that a file may state without meaning a token of the vocabulary."""
    if row is None:
        return {_NO_TOKEN}
    return {_NO_TOKEN, *row.default_token_ids.values(), *row.required_end_ids}


def _invalid(where: str, found: str) -> Finding:
    return Finding.of(
        "TOKEN_ID_INVALID",
        where,
        found=found,
        accepted="A whole number for which the embedding has a row, or a list of such numbers.",
    )


def _check_end(ends: tuple[int, ...] | None, tokenizer: Tokenizer) -> Iterator[Finding]:
    token, number = tokenizer.special_tokens.get("eos_token"), tokenizer.id_of("eos_token")
    if ends is not None and number is not None and number not in ends:
        yield answer_not_ended(
            f"The tokenizer ends a text with {token} ({number})", "eos_token", ends
        )


def answer_not_ended(found: str, field: str, ends: tuple[int, ...]) -> Finding:
    """Return the finding on a token that ends an answer but does not stop generation."""
    stops = f"at {', '.join(map(str, ends))}" if ends else "at no token"
    return Finding.of(
        "ANSWER_NOT_ENDED",
        f"{TOKENIZER_CONFIG}: {field}",
        found=f"{found}, but generation stops {stops}",
        accepted=f"An eos_token_id in {GENERATION}, or else in {CONFIG}, with every token that "
        "ends an answer.",
    )


def _check_same(
    field: str, meaning: str, places: Places, tokenizer: Tokenizer
) -> Iterator[Finding]:
    name = field.removesuffix("_id")
    token, number = tokenizer.special_tokens.get(name), tokenizer.id_of(name)
    stated = _stated(places, field)
    if number is not None and stated and min(stated) >= 0 and number not in stated:
        yield Finding.of(
            "TOKEN_IDS_DISAGREE",
            f"{CONFIG}: {field}",
            found=f"The value is {', '.join(map(str, stated))}, but the tokenizer has {token} "
            f"({number}), {meaning}",
            accepted=f"The same token in {GENERATION}, {CONFIG} and the tokenizer.",
        )


def _stated(places: Places, field: str) -> tuple[int, ...]:
    return next((ids for place in places.values() if (ids := _ids(place.get(field)))), ())


def _ids(value: object) -> tuple[int, ...] | None:
    """Return the ids that a field states: empty for null, None if the value is not an id."""
    values: list[Any] = [] if value is None else value if isinstance(value, list) else [value]
    return tuple(values) if all(type(number) is int for number in values) else None
