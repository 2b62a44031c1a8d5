"""Whether config.json, generation_config.json and the tokenizer mean the same special tokens.

Published models differ in good faith: an instruct model's config.json often ends at one token,
its generation_config.json at two, and most name no padding. What counts is that each id has a
row, and that the tokens that end an answer are among those at which generation stops.
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
    "pad_token_id": "which pads a batch and is not seen in answers",
}
_NO_TOKEN: Final = -1
# So the first conversions of Llama write that nothing pads.

type Places = dict[str, dict[str, Any]]
# The objects that may state ids, by their names, in the order in which they are asked.


def places_of_ids(config: dict[str, Any] | None, generation: object) -> Places:
    """Return where ids are looked for: what generation_config.json states goes first."""
    text = (config or {}).get("text_config")
    places = {GENERATION: generation, CONFIG: config, f"{CONFIG}: text_config": text}
    return {name: place for name, place in places.items() if isinstance(place, dict)}


def end_ids(places: Places, row: Architecture | None) -> tuple[int, ...] | None:
    """Return the ids at which generation stops, as Bedrock's transformers reads them.

    Without a configuration of a known family that is not known either, and None is returned.
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
    """Yield the ids that cannot be meant, and those that are not the tokenizer's."""
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
        yield _invalid(where, f"It is {value!r:.100}")
        return
    without_row = {number for number in ids if number < 0 or (rows is not None and number >= rows)}
    if not without_row:
        return
    found = f"It is {value}, and the model has {rows} tokens, from 0 on"
    if without_row <= _unasked(row):
        yield Finding.of(
            "TOKEN_ID_UNUSED",
            where,
            found=found,
            accepted="An id of the vocabulary; transformers writes others where none was given.",
        )
    else:
        yield _invalid(where, found)


def _unasked(row: Architecture | None) -> set[int]:
    """Return the ids that a file may have though nobody meant a token of this vocabulary."""
    if row is None:
        return {_NO_TOKEN}
    return {_NO_TOKEN, *row.default_token_ids.values(), *row.required_end_ids}


def _invalid(where: str, found: str) -> Finding:
    return Finding.of(
        "TOKEN_ID_INVALID",
        where,
        found=found,
        accepted="A whole number for which the embedding has a row, or a list of them.",
    )


def _check_end(ends: tuple[int, ...] | None, tokenizer: Tokenizer) -> Iterator[Finding]:
    token, number = tokenizer.special_tokens.get("eos_token"), tokenizer.id_of("eos_token")
    if ends is not None and number is not None and number not in ends:
        yield answer_not_ended(
            f"The tokenizer ends a text with {token} ({number})", "eos_token", ends
        )


def answer_not_ended(found: str, field: str, ends: tuple[int, ...]) -> Finding:
    """Return the finding on a token that the model ends with and that ends nothing."""
    stops = f"at {', '.join(map(str, ends))}" if ends else "at no token"
    return Finding.of(
        "ANSWER_NOT_ENDED",
        f"{TOKENIZER_CONFIG}: {field}",
        found=f"{found}, and generation stops {stops}",
        accepted=f"The eos_token_id of {GENERATION}, or else of {CONFIG}, has every token that "
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
            found=f"It is {', '.join(map(str, stated))}, and the tokenizer has {token} ({number}), "
            f"{meaning}",
            accepted=f"The same token in {GENERATION}, {CONFIG} and the tokenizer.",
        )


def _stated(places: Places, field: str) -> tuple[int, ...]:
    return next((ids for place in places.values() if (ids := _ids(place.get(field)))), ())


def _ids(value: object) -> tuple[int, ...] | None:
    """Return the ids that a field states, none for null, and None for what is no id."""
    values: list[Any] = [] if value is None else value if isinstance(value, list) else [value]
    return tuple(values) if all(type(number) is int for number in values) else None
