"""The model card: what the head of a repository's README says, as the Hub reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from huggingface_hub import ModelInfo

_LICENCE_TAG: Final = "license:"
_OTHER: Final = "other"
_UNKNOWN: Final = "unknown"
# The Hub's ids for a licence that has no id of its own, and for no licence.


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence by the Hub's ids, mostly one; `name` and `link` if its id is `other`."""

    ids: tuple[str, ...] = ()
    name: str | None = None
    link: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names that a list of licences may use for it: its ids, and its name if any."""
        return (*self.ids, self.name.lower()) if self.name and _OTHER in self.ids else self.ids

    def __str__(self) -> str:
        """Return the licence as text for a person."""
        ids = ", ".join(self.ids)
        more = ", ".join(text for text in (self.name, self.link) if text)
        return f"{ids} ({more})" if more else ids


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a publisher states about a model, or the Hub infers from its files; may be empty."""

    licence: Licence = Licence()
    library: str | None = None
    use: str | None = None


def read_model_card(info: ModelInfo) -> ModelCard:
    """Return the card in the Hub's answer; fields of a wrong type are ignored."""
    card: Any = info.card_data
    ids = _texts(getattr(card, "license", None)) or tuple(_tagged(info.tags))
    return ModelCard(
        licence=Licence(
            tuple(dict.fromkeys(text.lower() for text in ids if text.lower() != _UNKNOWN)),
            _text(getattr(card, "license_name", None)),
            _text(getattr(card, "license_link", None)),
        ),
        library=_text(info.library_name),
        use=_text(info.pipeline_tag),
    )


def _tagged(tags: object) -> Iterator[str]:
    for tag in tags if isinstance(tags, list) else []:
        if isinstance(tag, str) and tag.startswith(_LICENCE_TAG):
            yield tag.removeprefix(_LICENCE_TAG)


def _texts(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(text for item in values if (text := _text(item)))


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None
