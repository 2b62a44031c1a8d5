"""What an execution has to do about an import, given what others have done."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from support.worlds.account_world import BUCKET, WANTED, AccountWorld, account_world

from model_import.claim.claims import Claims
from model_import.claim.decision import ImportDecision, decide
from model_import.errors import AwsUnavailableError, PermissionMissingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_import.request.wanted_import import WantedImport

LIST_MODELS = "bedrock:GET /imported-models"
LIST_JOBS = "bedrock:GET /model-import-jobs"
CLAIM = f"s3:PUT /{BUCKET}/claims/{WANTED.source_path}"
START = datetime(2026, 11, 24, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
IN_A_YEAR = datetime.now(UTC) + timedelta(days=365)
HERE, THERE, ELSEWHERE = "arn:execution:here", "arn:execution:there", "arn:execution:elsewhere"


@dataclass(slots=True)
class Executions:
    """Step Functions as far as claims look at it: which executions run, and which are forgotten."""

    running: set[str] = field(default_factory=set)
    forgotten: set[str] = field(default_factory=set)
    denied: bool = False
    exceptions: Any = field(
        default_factory=lambda: boto3.client("stepfunctions", "us-east-1").exceptions
    )

    def describe_execution(self, *, executionArn: str) -> dict[str, str]:  # noqa: N803 – as boto3
        if self.denied:
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "DescribeExecution")
        if executionArn in self.forgotten:
            raise self.exceptions.ExecutionDoesNotExist(
                {"Error": {"Code": "ExecutionDoesNotExist"}}, "DescribeExecution"
            )
        return {"status": "RUNNING" if executionArn in self.running else "ABORTED"}


@dataclass(slots=True)
class Place:
    """An account, and the executions that want something of it."""

    account: AccountWorld
    executions: Executions = field(default_factory=Executions)

    def decide(
        self, execution_arn: str = HERE, wanted: WantedImport = WANTED, started: datetime = START
    ) -> ImportDecision:
        """Return what an execution is told to do, while it runs."""
        self.executions.running.add(execution_arn)
        return decide(
            wanted,
            Claims(self.account.client("s3"), self.executions, BUCKET),  # type: ignore[arg-type]
            self.account.clients.bedrock,
            execution_arn=execution_arn,
            started=started,
        )


@pytest.fixture(scope="module")
def shared_world() -> Iterator[AccountWorld]:
    with account_world() as made:
        yield made


@pytest.fixture
def place(shared_world: AccountWorld) -> Place:
    shared_world.reset()
    s3 = shared_world.client("s3")
    for entry in s3.list_objects_v2(Bucket=BUCKET, Prefix="claims/").get("Contents", []):
        s3.delete_object(Bucket=BUCKET, Key=entry["Key"])
    return Place(shared_world)


def test_the_first_to_come_imports_and_may_ask_again(place: Place) -> None:
    first = ImportDecision("import", job_name=WANTED.job_name(1))

    assert [place.decide(), place.decide()] == [first, first]


def test_others_wait_while_it_runs_and_the_next_takes_over_when_it_has_ended(place: Place) -> None:
    place.decide(HERE)
    waiting = [place.decide(THERE), place.decide(ELSEWHERE)]
    place.executions.running.remove(HERE)

    assert waiting == [ImportDecision("wait", holder=HERE)] * 2
    assert place.decide(ELSEWHERE).action == "import"
    assert place.decide(THERE) == ImportDecision("wait", holder=ELSEWHERE)


def test_an_execution_that_step_functions_has_forgotten_has_ended(place: Place) -> None:
    place.decide(HERE)
    place.executions.forgotten.add(HERE)

    assert place.decide(THERE).action == "import"


def test_who_loses_the_race_for_a_claim_waits_for_the_winner(place: Place) -> None:
    place.decide(HERE)
    place.executions.running.remove(HERE)
    describe = place.executions.describe_execution

    @dataclass
    class Racing:
        exceptions: Any

        def describe_execution(self, *, executionArn: str) -> dict[str, str]:  # noqa: N803
            # Somebody else takes the claim between the look and the write.
            if executionArn == HERE:
                place.decide(ELSEWHERE)
            return describe(executionArn=executionArn)

    claims = Claims(place.account.client("s3"), Racing(place.executions.exceptions), BUCKET)  # type: ignore[arg-type]

    assert claims.claim(WANTED.source_path, THERE) == ELSEWHERE


def test_a_model_that_there_is_is_used_even_while_its_importer_runs(place: Place) -> None:
    place.decide(HERE)
    arn = place.account.import_model("t", WANTED.tags)

    assert place.decide(THERE) == ImportDecision("use", model_arn=arn)


def test_a_job_that_runs_is_joined_whoever_started_it(place: Place) -> None:
    place.decide(HERE)
    job = place.account.start_job("t", WANTED.tags)

    assert place.decide(THERE) == ImportDecision("join", job_name=job)


def test_models_and_jobs_of_other_sources_are_nothing_to_this_import(place: Place) -> None:
    place.account.import_model("one", WANTED.tags | {"huggingface-commit": "0" * 40})
    place.account.import_model("two", WANTED.tags | {"huggingface-copy": "as-is"})
    place.account.start_job("three", {"huggingface-repository": "acme/other"})

    assert place.decide() == ImportDecision("import", job_name=WANTED.job_name(1))


def test_without_a_name_any_will_do_and_a_name_of_ones_own_is_an_import_of_its_own(
    place: Place,
) -> None:
    mine = replace(WANTED, model_name="mine", name_given=True)
    other = replace(WANTED, model_name="other", name_given=True)
    arn = place.account.import_model("mine", mine.tags)

    assert place.decide() == ImportDecision("use", model_arn=arn)
    assert place.decide(wanted=mine) == ImportDecision("use", model_arn=arn)
    assert place.decide(wanted=other) == ImportDecision("import", job_name=other.job_name(1))


def test_imports_of_the_same_source_under_other_names_follow_one_another(place: Place) -> None:
    place.decide(HERE)

    waiting = place.decide(THERE, replace(WANTED, model_name="mine", name_given=True))

    assert waiting == ImportDecision("wait", holder=HERE)


def test_the_copy_in_which_nothing_is_put_right_waits_for_nobody(place: Place) -> None:
    place.decide(HERE)

    assert place.decide(THERE, replace(WANTED, normalise=False)).action == "import"


def test_a_job_that_failed_before_is_followed_by_another_under_the_next_name(place: Place) -> None:
    place.account.end_job(WANTED.job_name(1), prefix="nothing")

    assert place.decide(started=IN_A_YEAR) == ImportDecision("import", job_name=WANTED.job_name(2))


def test_a_job_that_failed_since_the_execution_began_has_failed_for_it_too(place: Place) -> None:
    place.account.end_job(WANTED.job_name(1), prefix="nothing")

    assert place.decide(started=LONG_AGO) == ImportDecision("join", job_name=WANTED.job_name(1))


def test_a_model_that_was_deleted_is_imported_again(place: Place) -> None:
    arn = place.account.end_job(WANTED.job_name(1), tags=WANTED.tags)
    place.account.client("bedrock").delete_imported_model(modelIdentifier=arn)

    assert place.decide(started=IN_A_YEAR) == ImportDecision("import", job_name=WANTED.job_name(2))


def test_a_model_that_the_lists_do_not_have_yet_is_found_by_its_job(place: Place) -> None:
    arn = place.account.end_job(WANTED.job_name(1))  # without tags no list tells

    assert place.decide() == ImportDecision("use", model_arn=arn)


@pytest.mark.parametrize("operation", [LIST_MODELS, LIST_JOBS])
@pytest.mark.parametrize(
    ("code", "error"),
    [("AccessDenied", PermissionMissingError), ("ThrottlingException", AwsUnavailableError)],
)
def test_who_cannot_tell_is_told_nothing(
    place: Place, operation: str, code: str, error: type[Exception]
) -> None:
    place.account.refuse(operation, code)

    with pytest.raises(error):
        place.decide()


def test_who_cannot_write_the_claim_is_told_nothing(place: Place) -> None:
    place.account.refuse(CLAIM, "SlowDown")

    with pytest.raises(AwsUnavailableError, match="s3:PutObject"):
        place.decide()


def test_who_may_not_see_executions_takes_no_claim_over(place: Place) -> None:
    place.decide(HERE)
    place.executions.denied = True

    with pytest.raises(PermissionMissingError, match="states:DescribeExecution"):
        place.decide(THERE)
