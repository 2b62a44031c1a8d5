"""What a deployer wants imported by itself: one document, checked by policy.schema.json."""

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
    """What a policy judges a release by; None is what is not known, and is refused.

    Preflight judges the licence, by the policy's rules.
    """

    repo_id: str
    model_type: str | None
    weights_bytes: int
    usd_per_active_hour: float | None


@dataclass(frozen=True, slots=True)
class Policy:
    """Which releases become imports; the schema says what each field means."""

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
            PolicyInvalidError: It is no JSON, or not as the schema says; the message says where.
        """
        try:
            document = json.loads(text)
            _validator()(document)
        except fastjsonschema.JsonSchemaException as error:
            raise PolicyInvalidError(str(error)) from None
        except (ValueError, RecursionError) as error:
            raise PolicyInvalidError(f"the document is no JSON ({error})") from None
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
        """Return whether releases of a repository are looked at, before anything is known of it."""
        return bool(_matching(repo_id, self.watch)) and not _matching(repo_id, self.excluded)

    def patterns_by_author(self) -> dict[str, tuple[str, ...]]:
        """Return what is watched of each organisation or user."""
        grouped: dict[str, list[str]] = {}
        spelling: dict[str, str] = {}
        for pattern in self.watch:
            author = pattern.partition("/")[0]
            grouped.setdefault(spelling.setdefault(author.casefold(), author), []).append(pattern)
        return {author: tuple(patterns) for author, patterns in grouped.items()}

    def objections(self, model: ReleasedModel) -> tuple[str, ...]:
        """Return every reason why a release is not imported; none when it is."""
        return self.objections_to_name(model.repo_id) or tuple(self._unmet_limits(model))

    def objections_to_name(self, repo_id: str) -> tuple[str, ...]:
        """Return why a repository is not watched; nothing when it is."""
        if self.watches(repo_id):
            return ()
        if excepting := _matching(repo_id, self.excluded):
            return (f"{repo_id} is excepted by {', '.join(excepting)}",)
        shown = ", ".join(self.watch[:_PATTERNS_SHOWN]) or "nothing"
        more = len(self.watch) - _PATTERNS_SHOWN
        watched = f"{shown} and {more} more" if more > 0 else shown
        return (f"{repo_id} is not watched: the policy watches {watched}",)

    def _unmet_limits(self, model: ReleasedModel) -> Iterator[str]:
        if self.model_types is not None and model.model_type not in self.model_types:
            accepted = ", ".join(self.model_types)
            yield f"the model_type is {model.model_type}, and the policy accepts {accepted}"
        bytes_at_most = self.weights_bytes_at_most
        if bytes_at_most is not None and model.weights_bytes > bytes_at_most:
            found = f"{model.weights_bytes:,} bytes"
            yield f"the weights are {found}, and the policy accepts {bytes_at_most:,}"
        price, price_at_most = model.usd_per_active_hour, self.usd_per_active_hour_at_most
        if price_at_most is not None and (price is None or price > price_at_most):
            found = "not known" if price is None else f"{price:.2f} USD"
            yield (
                f"an active hour is forecast at {found}, and the policy accepts "
                f"{price_at_most:.2f} USD"
            )


def read_policy(ssm: SSMClient, parameter_name: str) -> Policy:
    """Return the policy that the stack's SSM parameter holds.

    Raises:
        PolicyInvalidError: There is no such parameter, or its document is not valid.
    """
    try:
        answer = ssm.get_parameter(Name=parameter_name)
    except ssm.exceptions.ParameterNotFound:
        raise PolicyInvalidError(f"there is no SSM parameter {parameter_name!r}") from None
    return Policy.from_json(answer["Parameter"]["Value"])


def _matching(repo_id: str, patterns: tuple[str, ...]) -> tuple[str, ...]:
    # The Hub tells names of different case apart only by redirecting; so does this.
    folded = repo_id.casefold()
    return tuple(pattern for pattern in patterns if fnmatchcase(folded, pattern.casefold()))


def _texts(value: list[str] | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(value)


@functools.cache
def _validator() -> Callable[[Any], Any]:
    """Return the check of a document."""
    compiled: Callable[[Any], Any] = fastjsonschema.compile(json.loads(SCHEMA.read_text()))
    return compiled
