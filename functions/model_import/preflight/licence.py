"""Checks the licence of a model against the allowed and the denied licences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from model_import.findings.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from model_import.sources.hub.model_card import Licence

_WHERE: Final = "README.md: license"


@dataclass(frozen=True, slots=True)
class LicenceRules:
    """Licences by the Hub's ids, in lower case; an empty `allowed` allows every licence."""

    allowed: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()

    @classmethod
    def of(cls, allowed: Iterable[str], denied: Iterable[str]) -> Self:
        """Return the rules of two lists of ids; case and surrounding blanks are ignored."""
        return cls(_ids(allowed), _ids(denied))


def _ids(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(text.strip().lower() for text in texts if text.strip())


def check_licence(licence: Licence, rules: LicenceRules) -> Iterator[Finding]:
    """Yield a finding if a rule excludes the licence; each licence of a model must be allowed."""
    found = f"The licence is {licence}" if licence.ids else "The repository names no licence"
    if rules.denied.intersection(licence.names):
        denied = ", ".join(sorted(rules.denied))
        yield Finding.of(
            "LICENCE_DENIED", _WHERE, found=found, accepted=f"Any licence except {denied}."
        )
    elif rules.allowed and not _is_allowed(licence, rules.allowed):
        allowed = ", ".join(sorted(rules.allowed))
        yield Finding.of("LICENCE_NOT_ALLOWED", _WHERE, found=found, accepted=f"One of {allowed}.")
    elif not licence.ids:
        yield Finding.of(
            "LICENCE_UNKNOWN",
            _WHERE,
            found=found,
            accepted="A licence that permits your use. Without a licence, no use is permitted.",
        )


def _is_allowed(licence: Licence, allowed: frozenset[str]) -> bool:
    own_name = set(licence.names) - set(licence.ids)
    return bool(licence.ids) and all(
        name in allowed or (name == "other" and bool(own_name & allowed)) for name in licence.ids
    )
