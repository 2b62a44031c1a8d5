"""The scheduled watch: compares the policy's authors on the Hub with the recorded commits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from model_import.errors import HubUnavailableError
from model_import.release.hub_heads import OutOfTimeError, are_requested_one_by_one

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from model_import.release.policy import Policy
    from model_import.release.pushed_release import Release
    from model_import.release.seen_repositories import SeenAuthor, SeenRepositories

_FAILURES_AT_MOST: Final = 3
"""Failures for so many authors in a row end the run."""


@dataclass(frozen=True, slots=True)
class WatchReport:
    """The result of a run; the next run starts with the authors in `left`."""

    authors: int
    repositories: int
    released: tuple[Release, ...]
    left: tuple[str, ...]
    why_left: str | None


@dataclass(slots=True)
class Watch:
    """One run of the watch.

    `read_heads` takes an author and its patterns; `publish` puts the events of releases. The event
    is put before the commit is recorded. A run that stops in between publishes a release twice,
    but never loses one.
    """

    policy: Policy
    seen: SeenRepositories
    read_heads: Callable[[str, tuple[str, ...]], Sequence[Release]]
    publish: Callable[[Sequence[Release]], None]

    def run(self) -> WatchReport:
        """Read one author after the other, while there is time and the Hub answers."""
        patterns = self.policy.patterns_by_author()
        last = self.seen.last_author()
        waiting = _starting_after(sorted(patterns), last)
        authors_read, repositories, failures = 0, 0, 0
        released: list[Release] = []
        why_left = None
        while waiting and why_left is None:
            author = waiting[0]
            # Recorded before reading: if this author ends the run, the next starts with another.
            self.seen.record_last_author(author)
            try:
                heads = self.read_heads(author, patterns[author])
            except OutOfTimeError as error:
                why_left = str(error)
                # The next run starts with this author, unless a whole run was too short for it.
                if authors_read and last is not None:
                    self.seen.record_last_author(last)
                continue
            except HubUnavailableError as error:
                failures += 1
                if failures == _FAILURES_AT_MOST:
                    why_left = str(error)
            else:
                failures = 0
                repositories += len(heads)
                released += self._compare(author, patterns[author], heads)
            authors_read, last = authors_read + 1, author
            waiting = waiting[1:]
        return WatchReport(authors_read, repositories, tuple(released), tuple(waiting), why_left)

    def _compare(
        self, author: str, patterns: tuple[str, ...], heads: Sequence[Release]
    ) -> list[Release]:
        before = self.seen.of(author)
        moved = [head for head in heads if before.commit(head.repo_id) != head.commit]
        released = [head for head in moved if self._is_release(head, before)]
        if released:
            self.publish(released)
        # Unwatched ones are recorded too: once the policy adds one, its next push is a release.
        self.seen.record(moved)
        if not before.is_listed and not are_requested_one_by_one(patterns):
            self.seen.record_as_listed(author)
        return released

    def _is_release(self, head: Release, before: SeenAuthor) -> bool:
        """Return whether to publish a new commit; a first seen one only of a new repository."""
        is_known = before.is_listed or before.commit(head.repo_id) is not None
        return (is_known or self.policy.import_first_seen) and self.policy.watches(head.repo_id)


def _starting_after(authors: list[str], last: str | None) -> list[str]:
    """Return the authors that follow the last one, then the others."""
    after = [author for author in authors if last is not None and author > last]
    return after + [author for author in authors if author not in after]
