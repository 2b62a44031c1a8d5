"""The identity of an import: which source, in which copy, under which name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, Self

from model_import.request.naming import import_key, job_name, model_name, source_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from model_import.manifest import Source
    from model_import.request.input import ImportRequest

SOURCE_TAGS: Final = ("huggingface-repository", "huggingface-commit", "huggingface-copy")
"""Tag keys that the import sets itself, on the job and on the model: it is known again by them."""


class Imported(Protocol):
    """A model that was imported, or a job that imports one."""

    @property
    def model_name(self) -> str:
        """Return the name that the model has, or will have."""

    @property
    def tags(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class WantedImport:
    """What an execution was asked to have imported.

    Without a name of the asker's own (`name_given`) any import of the same source will do.
    """

    repo_id: str
    commit: str
    normalise: bool
    model_name: str
    name_given: bool

    @classmethod
    def of(cls, request: ImportRequest, source: Source) -> Self:
        """Return what a request asks for, now that its revision is resolved."""
        name = request.model_name or model_name(
            source.repo_id, source.commit, normalise=request.normalise
        )
        return cls(
            repo_id=source.repo_id,
            commit=source.commit,
            normalise=request.normalise,
            model_name=name,
            name_given=request.model_name is not None,
        )

    @property
    def tags(self) -> dict[str, str]:
        """Return the tags by which this import is known again, on the job and on the model."""
        copy = "normalised" if self.normalise else "as-is"
        return dict(zip(SOURCE_TAGS, (self.repo_id, self.commit, copy), strict=True))

    @property
    def source_path(self) -> str:
        """Return the path of the copy: whatever its name, one execution at a time works on it."""
        return source_path(self.repo_id, self.commit, normalise=self.normalise)

    @property
    def key(self) -> str:
        """Return what all jobs for this import have in their names, and no other job."""
        return import_key(*self.tags.values(), self.model_name)

    def job_name(self, attempt: int) -> str:
        """Return the name of a job, from attempt 1; a name is spent even when its job fails."""
        return job_name(self.model_name, self.key, attempt)

    def has_source(self, candidate: Imported) -> bool:
        """Return whether this was imported from the same source, in the same copy."""
        return candidate.tags.items() >= self.tags.items()

    def find[T: Imported](self, candidates: Iterable[T]) -> T | None:
        """Return the one that is this import; of several, the one that has the wanted name."""
        same = [candidate for candidate in candidates if self.has_source(candidate)]
        named = [candidate for candidate in same if candidate.model_name == self.model_name]
        return next(iter(named if self.name_given else named + same), None)
