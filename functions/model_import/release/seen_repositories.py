"""The commits that the scheduled watch has seen, in DynamoDB: one item per repository.

Keys are case-folded, because the Hub ignores the case of names. No repository can be named "." or
"..". The item "." of an author marks that all repositories of that author are recorded; one item
".." holds the author whom the watch read last.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from boto3.dynamodb.conditions import Key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mypy_boto3_dynamodb.service_resource import Table

    from model_import.release.pushed_release import Release

_LISTED: Final = "."
_LAST_AUTHOR: Final = {"author": ".", "name": ".."}


@dataclass(frozen=True, slots=True)
class SeenAuthor:
    """The last seen commits by case-folded repository id; `is_listed` if they are complete."""

    commits: Mapping[str, str]
    is_listed: bool

    def commit(self, repo_id: str) -> str | None:
        """Return the last seen commit of a repository."""
        return self.commits.get(repo_id.casefold())


@dataclass(frozen=True, slots=True)
class SeenRepositories:
    table: Table

    def of(self, author: str) -> SeenAuthor:
        """Return what the watch has seen of an author."""
        condition = Key("author").eq(author.casefold())
        query = {"KeyConditionExpression": condition, "ConsistentRead": True}
        answer = self.table.query(**query)  # type: ignore[arg-type]  # the stub wants literals
        rows = answer["Items"]
        while start := answer.get("LastEvaluatedKey"):
            answer = self.table.query(**query, ExclusiveStartKey=start)  # type: ignore[arg-type]
            rows += answer["Items"]
        commits = {f"{row['author']!s}/{row['name']!s}": str(row.get("commit")) for row in rows}
        is_listed = commits.pop(f"{author.casefold()}/{_LISTED}", None) is not None
        return SeenAuthor(commits, is_listed)

    def record(self, heads: Iterable[Release]) -> None:
        """Record the newest commits of repositories."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self.table.batch_writer() as batch:
            for head in heads:
                author, _, name = head.repo_id.casefold().partition("/")
                row = {"author": author, "name": name, "commit": head.commit, "seen_at": now}
                batch.put_item(Item=row)

    def record_as_listed(self, author: str) -> None:
        """Record that all repositories of an author are recorded, so any other one is new."""
        self.table.put_item(Item={"author": author.casefold(), "name": _LISTED})

    def last_author(self) -> str | None:
        """Return the author whom the watch read last."""
        row = self.table.get_item(Key=_LAST_AUTHOR, ConsistentRead=True).get("Item", {})
        return str(row["value"]) if "value" in row else None

    def record_last_author(self, author: str) -> None:
        """Record the author whom the watch read last."""
        self.table.put_item(Item=_LAST_AUTHOR | {"value": author})
