"""One commit, one import: executions at once, later, after a failure, and under other names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.worlds.workflow_world import (
    CREATE_JOB,
    GET_JOB,
    INVOKE,
    LIST_MODELS,
    REPO_ID,
    World,
    bedrock_settings,
    world,
)

from local.aws.moto_engine import Pace
from local.deployment.execution import Execution, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

FAILURE = ["Record Failure", "Publish Failure", "Import Failed"]


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    # Who waits for another execution waits 60 s / 60; with no wait at all the waiting ones would
    # leave the one that works no time.
    with world(tmp_path_factory.mktemp("hub"), pace=Pace(quicker=60)) as made:
        yield made


@pytest.fixture
def here(shared_world: World) -> World:
    shared_world.reset()
    shared_world.aws.start_bedrock(bedrock_settings(polls=1, cold_starts=0))
    return shared_world


def start(here: World, **more: Any) -> Execution:  # noqa: ANN401 – any JSON
    return Execution(here.aws, {"repo_id": REPO_ID, "prompt": "Q:", **more})


def end(execution: Execution) -> Outcome:
    execution.wait()
    return execution.outcome()


def jobs_of(here: World) -> list[dict[str, Any]]:
    bedrock = here.aws.account.client("bedrock")
    found: list[dict[str, Any]] = bedrock.list_model_import_jobs()["modelImportJobSummaries"]
    return found


@pytest.mark.parametrize("count", [2, 20])
def test_executions_of_a_commit_at_once_make_one_import_and_all_end_with_its_model(
    here: World, count: int
) -> None:
    executions = [start(here) for _ in range(count)]

    outcomes = [end(execution) for execution in executions]

    assert [(outcome.status, outcome.cause) for outcome in outcomes] == [
        ("SUCCEEDED", None)
    ] * count
    assert len({outcome.model_arn for outcome in outcomes}) == 1
    assert len(jobs_of(here)) == 1
    assert here.calls[CREATE_JOB] == 1
    assert here.tasks.runs == 1


def test_a_later_execution_ends_with_the_model_that_there_is_and_needs_no_slot_of_its_own(
    here: World,
) -> None:
    here.aws.start_bedrock(bedrock_settings(polls=1, cold_starts=0, quotas={"L-45B04988": 1}))

    first, second = end(start(here)), end(start(here))

    assert first.model_arn == second.model_arn
    assert second.states == [
        "Validate Repository",
        "Importable?",
        "Publish Start",
        "Approval Needed?",
        "Prepare Repository",
        "Claim Import",
        "Already Imported?",
        "Describe Model",
        "Smoke Test",
        "Publish Success",
        "Model Imported",
    ]
    assert [finding["code"] for finding in second.findings] == ["MODEL_ALREADY_IMPORTED"]
    assert here.tasks.runs == len(jobs_of(here)) == 1
    ends = [event["detail"] for event in here.events() if "answer" in event["detail"]]
    assert [detail["action"] for detail in ends] == ["import", "use"]


def test_executions_that_do_not_see_each_others_claims_make_one_import_all_the_same(
    here: World,
) -> None:
    """As in two stacks of one account: Bedrock itself takes the job's name and token once."""
    s3, bucket = here.aws.account.client("s3"), here.aws.stack.outputs["StagingBucketName"]
    others: list[Execution] = []

    def have_another_come_as_far() -> None:
        here.before.clear()
        (claim,) = s3.list_objects_v2(Bucket=bucket, Prefix="claims/")["Contents"]
        s3.delete_object(Bucket=bucket, Key=claim["Key"])
        others.append(start(here))
        for state in others[0].states_entered():
            if state == "Start Import":
                break

    here.before[CREATE_JOB] = have_another_come_as_far

    outcomes = [end(start(here)), end(others[0])]

    assert [outcome.status for outcome in outcomes] == ["SUCCEEDED"] * 2
    assert outcomes[0].model_arn == outcomes[1].model_arn
    assert here.calls[CREATE_JOB] > 1
    assert len(jobs_of(here)) == 1


def test_an_execution_joins_a_job_whose_execution_was_stopped(here: World) -> None:
    here.aws.start_bedrock(bedrock_settings(polls=4, cold_starts=0))
    first = start(here)
    for state in first.states_entered():
        if state == "Get Import Job":
            break
    here.aws.account.client("stepfunctions").stop_execution(executionArn=first.arn)

    second = end(start(here))

    assert second.status == "SUCCEEDED"
    assert "Start Import" not in second.states
    assert [finding["code"] for finding in second.findings] == ["MODEL_BEING_IMPORTED"]
    assert len(jobs_of(here)) == 1


def test_an_execution_takes_over_from_one_that_was_stopped_before_its_import(here: World) -> None:
    here.tasks.ends = [None]
    first = start(here)
    for state in first.states_entered():
        if state == "Transfer Slice":
            break
    second = start(here)
    for state in second.states_entered():
        if state == "Wait for Other Execution":
            break

    here.aws.account.client("stepfunctions").stop_execution(executionArn=first.arn)

    assert end(second).status == "SUCCEEDED"
    assert len(jobs_of(here)) == 1


def test_a_job_that_fails_fails_for_all_who_joined_it_and_the_next_execution_tries_again(
    here: World,
) -> None:
    s3, bucket = here.aws.account.client("s3"), here.aws.stack.outputs["StagingBucketName"]

    def damage_the_copy() -> None:
        here.before.clear()
        key = s3.list_objects_v2(Bucket=bucket, Prefix="models/")["Contents"][0]["Key"]
        config = key.rpartition("/")[0] + "/config.json"
        s3.put_object(Bucket=bucket, Key=config, Body=b'{"model_type": "bert"}')

    here.before[GET_JOB] = damage_the_copy
    executions = [start(here) for _ in range(3)]

    outcomes = [end(execution) for execution in executions]
    again = end(start(here))

    assert {outcome.error for outcome in outcomes} == {"ImportJobFailedError"}
    assert again.status == "SUCCEEDED"
    assert [job["status"] for job in jobs_of(here)] == ["Completed", "Failed"]
    assert len({job["jobName"] for job in jobs_of(here)}) == 2


def test_who_cannot_tell_whether_it_was_imported_imports_nothing(here: World) -> None:
    end(start(here))
    (prepare,) = [arn for arn in here.aws.stack.functions if "PrepareRepository" in arn]

    def go_blind() -> None:
        here.before.clear()
        here.fail(LIST_MODELS, "AccessDeniedException")

    here.before[f"{INVOKE}{prepare}"] = go_blind

    second = end(start(here))

    assert second.error == "PermissionMissingError"
    assert "bedrock:ListImportedModels" in str(second.cause)
    assert second.states[-4:] == ["Claim Import", *FAILURE]
    assert here.tasks.runs == len(jobs_of(here)) == 1
