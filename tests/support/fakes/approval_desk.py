"""Shared by the tests of approval: a request in a table, waiting executions, and the desk."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from support.worlds.hub_deliveries import Secrets

from model_import.approval.answer import ApprovalDesk
from model_import.approval.link import DecisionLink
from model_import.approval.record import Approval, store_request
from model_import.approval.subject import ApprovalSubject
from model_import.aws.rotated_secret import RotatedSecret

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb.service_resource import Table

    from model_import.approval.decision import Decision
    from model_import.approval.page import Page

KEY: Final = "k" * 64
NOW: Final = 1_800_000_000
EXPIRES_AT: Final = NOW + 600
EXECUTION: Final = "arn:aws:states:us-east-1:123456789012:execution:Import:acme-1"
TABLE: Final[dict[str, Any]] = {
    "TableName": "approvals",
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": "approval_id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "approval_id", "KeyType": "HASH"}],
}
_numbers = itertools.count(1)


def subject(*notes: str, **changes: Any) -> ApprovalSubject:  # noqa: ANN401 – any field
    made: dict[str, Any] = {
        "repo_id": "acme/Tiny",
        "commit": "4f5e" * 10,
        "model_name": "acme-Tiny-4f5e4f5e",
        "figures": {"Weights": "141.11 GB", "Active hour": "6.86 to 27.45 USD"},
        "notes": notes,
        "more_notes": 0,
    }
    return ApprovalSubject(**(made | changes))


class TaskTimedOut(Exception):  # noqa: N818 – as Step Functions spells it
    """The execution no longer waits."""


class TaskDoesNotExist(TaskTimedOut):
    """The same, in other words."""


class InvalidToken(TaskTimedOut):
    """The same, in other words."""


@dataclass(slots=True)
class Executions:
    """Step Functions with the task tokens that wait; `told` has the outcome of each token."""

    waiting: set[str] = field(default_factory=set)
    told: list[tuple[str, str]] = field(default_factory=list)
    refusal: type[TaskTimedOut] = TaskTimedOut

    @property
    def exceptions(self) -> type[Executions]:
        """Return the holder of the exception classes."""
        return type(self)

    InvalidToken = InvalidToken
    TaskDoesNotExist = TaskDoesNotExist
    TaskTimedOut = TaskTimedOut

    def send_task_success(self, **said: str) -> None:
        """Let an execution continue."""
        self._end(said["taskToken"], "approved")

    def send_task_failure(self, **said: str) -> None:
        """End an execution."""
        assert said["error"] == "ApprovalDeclinedError"
        self._end(said["taskToken"], "declined")

    def _end(self, token: str, outcome: str) -> None:
        if token not in self.waiting:
            raise self.refusal("Provided task does not exist anymore")
        self.waiting.remove(token)
        self.told.append((token, outcome))


@dataclass(slots=True)
class Request:
    """One request, and the desk that answers its links."""

    table: Table
    executions: Executions = field(default_factory=Executions)
    secrets: Secrets = field(default_factory=lambda: Secrets({"AWSCURRENT": KEY}))
    now: float = NOW
    approval: Approval = field(init=False)

    def __post_init__(self) -> None:
        number = next(_numbers)
        self.approval = Approval(
            f"{number:032x}", EXECUTION, EXPIRES_AT, subject(), f"token-{number}"
        )
        store_request(self.table, self.approval)
        self.executions.waiting.add(f"token-{number}")

    @property
    def told(self) -> list[str]:
        """Return the outcomes that the execution received."""
        return [outcome for _, outcome in self.executions.told]

    def link(self, decision: Decision, key: str = KEY) -> str:
        """Return a link, without the URL of the function."""
        made = DecisionLink(decision, self.approval.approval_id, self.approval.expires_at)
        return made.signed(key.encode())

    def desk(self, around: Callable[[Any], Any] = lambda client: client) -> ApprovalDesk:
        """Return the desk that answers links, with its clients wrapped by `around`."""
        return ApprovalDesk(
            secret=RotatedSecret(self.secrets, "arn", lambda: self.now),  # type: ignore[arg-type]
            table=around(self.table),
            states=around(self.executions),
            clock=lambda: self.now,
        )

    def ask(
        self,
        decision: Decision,
        method: str = "POST",
        around: Callable[[Any], Any] = lambda client: client,
    ) -> Page:
        """Return the page of a link."""
        path, _, query = self.link(decision).partition("?")
        return self.desk(around).answer(method, f"/{path}", query)


@dataclass(slots=True)
class Calls:
    """Counts calls of clients, and runs `action` before or after one of them."""

    at: int
    action: Callable[[], object]
    made: int = 0

    def around(self, client: Any) -> Any:  # noqa: ANN401 – any client
        """Return a client whose calls are counted."""
        return _Counted(client, self)

    def step(self) -> None:
        """Count a moment between two calls."""
        self.made += 1
        if self.made == self.at:
            self.action()


@dataclass(frozen=True, slots=True)
class _Counted:
    client: Any
    calls: Calls

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 – whatever the client has
        found = getattr(self.client, name)
        if not callable(found) or name == "exceptions":
            return found

        def call(**arguments: Any) -> Any:  # noqa: ANN401
            self.calls.step()
            answer = found(**arguments)
            self.calls.step()
            return answer

        return call
