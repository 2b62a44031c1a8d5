"""The scheduled watch: what the policy's authors have at the Hub, against what was seen before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from model_import.errors import HubUnavailableError
from model_import.release.hub_heads import OutOfTimeError, are_asked_one_by_one

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from model_import.release.policy import Policy
    from model_import.release.pushed_release import Release
    from model_import.release.seen_repositories import SeenAuthor, SeenRepositories

_FAILURES_AT_MOST: Final = 3
"""Authors in a row that the Hub does not answer for before the run leaves it in peace."""


@dataclass(frozen=True, slots=True)
class WatchReport:
    """What a run did; `left` are the authors that the next run begins with."""

    authors: int
    repositories: int
    released: tuple[Release, ...]
    left: tuple[str, ...]
    why_left: str | None


@dataclass(slots=True)
class Watch:
    """One run of the watch.

    `read_heads` asks the Hub for (author, patterns); `publish` tells of releases. An event is put
    before its commit is recorded, so a run that dies in between tells twice and never not at all.
    """

    policy: Policy
    seen: SeenRepositories
    read_heads: Callable[[str, tuple[str, ...]], Sequence[Release]]
    publish: Callable[[Sequence[Release]], None]

    def run(self) -> WatchReport:
        """Look at every author in turn, for as long as there is time and the Hub answers."""
        patterns = self.policy.patterns_by_author()
        last = self.seen.last_author()
        waiting = _in_turn(sorted(patterns), last)
        looked_at, repositories, failures = 0, 0, 0
        released: list[Release] = []
        why_left = None
        while waiting and why_left is None:
            author = waiting[0]
            # Before the look: an author on whom a run comes to grief is not the first of the next.
            self.seen.record_last_author(author)
            try:
                heads = self.read_heads(author, patterns[author])
            except OutOfTimeError as error:
                why_left = str(error)
                # Its turn comes first next time, unless all of this time was not enough for it.
                if looked_at and last is not None:
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
            looked_at, last = looked_at + 1, author
            waiting = waiting[1:]
        return WatchReport(looked_at, repositories, tuple(released), tuple(waiting), why_left)

    def _compare(
        self, author: str, patterns: tuple[str, ...], heads: Sequence[Release]
    ) -> list[Release]:
        before = self.seen.of(author)
        moved = [head for head in heads if before.commit(head.repo_id) != head.commit]
        released = [head for head in moved if self._is_release(head, before)]
        if released:
            self.publish(released)
        # What the policy does not name is recorded too: once it does, only the next push counts.
        self.seen.record(moved)
        if not before.is_listed and not are_asked_one_by_one(patterns):
            self.seen.record_as_listed(author)
        return released

    def _is_release(self, head: Release, before: SeenAuthor) -> bool:
        """Return whether a commit is news; on first sight only a new repository's is."""
        is_known = before.is_listed or before.commit(head.repo_id) is not None
        return (is_known or self.policy.import_first_seen) and self.policy.watches(head.repo_id)


def _in_turn(authors: list[str], last: str | None) -> list[str]:
    """Return the authors that come after the last one, then the others."""
    after = [author for author in authors if last is not None and author > last]
    return after + [author for author in authors if author not in after]
