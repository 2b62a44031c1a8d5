"""The identity of an import: its source, its copy and its model name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, Self

from model_import.request.naming import import_key, job_name, model_name, source_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from model_import.manifest import Source
    from model_import.request.input import ImportRequest

SOURCE_TAGS: Final = ("huggingface-repository", "huggingface-commit", "huggingface-copy")
"""Tag keys that the import sets on the job and on the model, to recognise both later."""


class Imported(Protocol):
    """A model that was imported, or a job that imports one."""

    @property
    def model_name(self) -> str:
        """Return the name of the model, which may not exist yet."""

    @property
    def tags(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class WantedImport:
    """The import that an execution was started for.

    Unless the input gave a name (`name_given`), any import of the same source satisfies it.
    """

    repo_id: str
    commit: str
    normalise: bool
    model_name: str
    name_given: bool

    @classmethod
    def of(cls, request: ImportRequest, source: Source) -> Self:
        """Return the import for a request whose revision is resolved."""
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
        """Return the tags that identify this import on the job and on the model."""
        copy = "normalised" if self.normalise else "as-is"
        return dict(zip(SOURCE_TAGS, (self.repo_id, self.commit, copy), strict=True))

    @property
    def source_path(self) -> str:
        """Return the path of the copy; only one execution at a time works on it."""
        return source_path(self.repo_id, self.commit, normalise=self.normalise)

    @property
    def key(self) -> str:
        """Return the key in the names of all jobs for this import, and of no other job."""
        return import_key(*self.tags.values(), self.model_name)

    def job_name(self, attempt: int) -> str:
        """Return the name of a job, from attempt 1; even a failed job uses up its name."""
        return job_name(self.model_name, self.key, attempt)

    def has_source(self, candidate: Imported) -> bool:
        """Return whether a candidate has the same source and copy."""
        return candidate.tags.items() >= self.tags.items()

    def find[T: Imported](self, candidates: Iterable[T]) -> T | None:
        """Return the candidate that is this import; of several, the one with the wanted name."""
        same = [candidate for candidate in candidates if self.has_source(candidate)]
        named = [candidate for candidate in same if candidate.model_name == self.model_name]
        return next(iter(named if self.name_given else named + same), None)
