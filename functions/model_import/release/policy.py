"""The policy for automatic imports: a document that policy.schema.json validates."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import fastjsonschema

from model_import.errors import PolicyInvalidError
from model_import.preflight.licence import LicenceRules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_ssm import SSMClient

_PATTERNS_SHOWN: Final = 20
_ANY_LICENCE: Final = LicenceRules()
SCHEMA: Final = Path(__file__).with_name("policy.schema.json")


@dataclass(frozen=True, slots=True)
class ReleasedModel:
    """The facts that a policy judges; a limit refuses None, which means unknown.

    Preflight judges the licence by the policy's rules.
    """

    repo_id: str
    model_type: str | None
    weights_bytes: int
    usd_per_active_hour: float | None


@dataclass(frozen=True, slots=True)
class Policy:
    """Which releases are imported; the schema documents each field."""

    watch: tuple[str, ...]
    settle_seconds: int
    excluded: tuple[str, ...] = ()
    licences: LicenceRules = _ANY_LICENCE
    model_types: tuple[str, ...] | None = None
    weights_bytes_at_most: int | None = None
    usd_per_active_hour_at_most: float | None = None
    import_first_seen: bool = False

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read the document.

        Raises:
            PolicyInvalidError: It is not JSON or does not match the schema; the message says where.
        """
        try:
            document = json.loads(text)
            _schema()(document)
        except fastjsonschema.JsonSchemaException as error:
            raise PolicyInvalidError(str(error)) from None
        except (ValueError, RecursionError) as error:
            raise PolicyInvalidError(f"the document is not JSON ({error})") from None
        return cls(
            watch=tuple(document["watch"]),
            settle_seconds=document["settle_seconds"],
            excluded=tuple(document.get("except", ())),
            licences=LicenceRules.of(document.get("licences", ()), ()),
            model_types=_texts(document.get("model_types")),
            weights_bytes_at_most=document.get("weights_bytes_at_most"),
            usd_per_active_hour_at_most=document.get("usd_per_active_hour_at_most"),
            import_first_seen=document.get("import_first_seen", False),
        )

    def watches(self, repo_id: str) -> bool:
        """Return whether the policy watches a repository, by its name alone."""
        return bool(_matching(repo_id, self.watch)) and not _matching(repo_id, self.excluded)

    def patterns_by_author(self) -> dict[str, tuple[str, ...]]:
        """Return the watched patterns of each organisation or user."""
        grouped: dict[str, list[str]] = {}
        spelling: dict[str, str] = {}
        for pattern in self.watch:
            author = pattern.partition("/")[0]
            grouped.setdefault(spelling.setdefault(author.casefold(), author), []).append(pattern)
        return {author: tuple(patterns) for author, patterns in grouped.items()}

    def objections(self, model: ReleasedModel) -> tuple[str, ...]:
        """Return every reason against importing a release."""
        return self.objections_to_name(model.repo_id) or tuple(self._unmet_limits(model))

    def objections_to_name(self, repo_id: str) -> tuple[str, ...]:
        """Return why a repository is not watched; empty if it is."""
        if self.watches(repo_id):
            return ()
        if excluding := _matching(repo_id, self.excluded):
            return (f"{repo_id} is excluded by {', '.join(excluding)}",)
        shown = ", ".join(self.watch[:_PATTERNS_SHOWN]) or "nothing"
        more = len(self.watch) - _PATTERNS_SHOWN
        watched = f"{shown} and {more} more" if more > 0 else shown
        return (f"{repo_id} is not watched: the policy watches {watched}",)

    def _unmet_limits(self, model: ReleasedModel) -> Iterator[str]:
        if self.model_types is not None and model.model_type not in self.model_types:
            accepted = ", ".join(self.model_types)
            yield f"the model_type is {model.model_type}, but the policy accepts {accepted}"
        bytes_at_most = self.weights_bytes_at_most
        if bytes_at_most is not None and model.weights_bytes > bytes_at_most:
            found = f"{model.weights_bytes:,} bytes"
            yield f"the weights have {found}, but the policy accepts at most {bytes_at_most:,}"
        price, price_at_most = model.usd_per_active_hour, self.usd_per_active_hour_at_most
        if price_at_most is not None and (price is None or price > price_at_most):
            found = "unknown" if price is None else f"{price:.2f} USD"
            yield (
                f"the forecast price of an active hour is {found}, but the policy accepts at most "
                f"{price_at_most:.2f} USD"
            )


def read_policy(ssm: SSMClient, parameter_name: str) -> Policy:
    """Return the policy that the stack's SSM parameter holds.

    Raises:
        PolicyInvalidError: The parameter does not exist, or its document is not valid.
    """
    try:
        answer = ssm.get_parameter(Name=parameter_name)
    except ssm.exceptions.ParameterNotFound:
        raise PolicyInvalidError(f"the SSM parameter {parameter_name!r} does not exist") from None
    return Policy.from_json(answer["Parameter"]["Value"])


def _matching(repo_id: str, patterns: tuple[str, ...]) -> tuple[str, ...]:
    # The Hub redirects a name in another case to the same repository.
    folded = repo_id.casefold()
    return tuple(pattern for pattern in patterns if fnmatchcase(folded, pattern.casefold()))


def _texts(value: list[str] | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(value)


@functools.cache
def _schema() -> Callable[[Any], Any]:
    """Return the compiled schema."""
    compiled: Callable[[Any], Any] = fastjsonschema.compile(json.loads(SCHEMA.read_text()))
    return compiled
