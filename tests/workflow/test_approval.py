"""An import that waits for a person: what lets it go on, what ends it, and what does neither."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final

import pytest
import urllib3
from support.waiting import wait_until
from support.worlds.workflow_world import REPO_ID, World, world

from local.deployment.execution import Execution, FollowedExecution

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.aws.announcements import PublishedMessage
    from local.deployment.execution import Outcome

SECONDS: Final = 600
BEFORE: Final = [
    "Validate Repository",
    "Importable?",
    "Publish Start",
    "Approval Needed?",
    "Request Approval",
]
FAILURE: Final = ["Record Failure", "Publish Failure", "Import Failed"]
PUT_ITEM: Final = "dynamodb:PutItem"


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    parameters = {"ImportApproval": "ENABLED", "ApprovalSeconds": str(SECONDS)}
    with world(tmp_path_factory.mktemp("hub"), parameters) as made:
        yield made


def start(here: World) -> Execution:
    return Execution(here.aws, {"repo_id": REPO_ID, "prompt": "Q:"})


def asked(here: World) -> str:
    """Return the message that asks for approval, once it has come."""
    messages: list[PublishedMessage] = []

    def asking_ones() -> list[PublishedMessage]:
        messages[:] = here.announcements.new()
        return [message for message in messages if message.asks]

    asking = wait_until(asking_ones, lambda: [message.subject for message in messages])
    assert asking[-1].subject == f"Waiting for approval: {REPO_ID}"
    return asking[-1].text


def link(message: str, label: str) -> str:
    (url,) = re.findall(rf"^{label}:\n(\S+)$", message, re.MULTILINE)
    return str(url)


def ended(execution: FollowedExecution) -> Outcome:
    execution.wait()
    return execution.outcome()


def waits(execution: Execution) -> bool:
    return execution.outcome().states == BEFORE and execution.outcome().status == "RUNNING"


def ask(url: str, method: str) -> int:
    return urllib3.request(method, url, timeout=None).status


def run_command(here: World, message: str, command: str) -> None:
    """Do what a line of a message says, as the AWS CLI would."""
    (token,) = re.findall(r"TASK_TOKEN=(\S+)", message)
    (line,) = re.findall(rf"aws stepfunctions {command} .+", message)
    _, _, _, *options = shlex.split(line.replace("$TASK_TOKEN", token))
    given = dict(zip(options[::2], options[1::2], strict=True))
    assert given.pop("--region") == here.aws.account.region
    client = here.aws.account.client("stepfunctions")
    if command == "send-task-success":
        client.send_task_success(taskToken=given["--task-token"], output=given["--task-output"])
    else:
        client.send_task_failure(
            taskToken=given["--task-token"], error=given["--error"], cause=given["--cause"]
        )


def test_an_import_waits_whoever_looks_and_goes_on_at_the_click(here: World) -> None:
    execution = start(here)
    url = link(asked(here), "Approve")

    assert [ask(url, method) for method in ("GET", "GET", "HEAD", "PUT")] == [200, 200, 200, 405]
    assert ask(url[:-1] + ("0" if url[-1] != "0" else "1"), "POST") == 403
    assert waits(execution)
    assert here.tasks.runs == 0

    assert ask(url, "POST") == 200
    outcome = ended(execution)
    assert outcome.states[:6] == [*BEFORE, "Prepare Repository"]
    assert outcome.status == "SUCCEEDED"
    assert ask(url, "POST") == 200
    assert here.tasks.runs == 1


def test_a_declined_import_ends_by_name_and_has_moved_nothing(here: World) -> None:
    execution = start(here)
    message = asked(here)

    assert ask(link(message, "Decline"), "POST") == 200
    outcome = ended(execution)

    assert outcome.error == "ApprovalDeclinedError"
    assert "was declined at" in str(outcome.cause)
    assert outcome.states == [*BEFORE, *FAILURE]
    assert ask(link(message, "Approve"), "POST") == 409
    bucket = here.aws.stack.outputs["StagingBucketName"]
    assert "Contents" not in here.aws.account.client("s3").list_objects_v2(Bucket=bucket)
    assert here.announced()[-1].subject == f"Import failed: {REPO_ID} (ApprovalDeclinedError)"


@pytest.mark.parametrize(
    ("command", "end"),
    [("send-task-success", None), ("send-task-failure", "ApprovalDeclinedError")],
)
def test_the_commands_of_the_message_answer_too_and_the_links_then_say_so(
    here: World, command: str, end: str | None
) -> None:
    execution = start(here)
    message = asked(here)

    run_command(here, message, command)

    assert ended(execution).error == end
    assert ask(link(message, "Approve"), "POST") == 410


def test_an_import_that_nobody_answers_ends_by_name(here: World) -> None:
    client = here.aws.account.client("stepfunctions")
    machine = client.describe_state_machine(stateMachineArn=here.aws.stack.state_machine_arn)
    impatient = client.create_state_machine(
        name="impatient",
        definition=machine["definition"].replace(f"{{% {SECONDS} %}}", "{% 1 %}"),
        roleArn=machine["roleArn"],
    )
    started = client.start_execution(
        stateMachineArn=impatient["stateMachineArn"], input=f'{{"repo_id": "{REPO_ID}"}}'
    )
    message = asked(here)

    outcome = ended(FollowedExecution(here.aws, started["executionArn"]))

    assert outcome.error == "ApprovalTimedOutError"
    assert "start the execution again" in str(outcome.cause)
    assert outcome.states == [*BEFORE, *FAILURE]
    assert ask(link(message, "Approve"), "POST") == 410


def test_the_event_says_what_waits_and_is_not_announced_a_second_time(here: World) -> None:
    execution = start(here)
    message = asked(here)

    assert not [told for told in here.announced() if told.asks]
    (event,) = [e for e in here.events() if e["detail-type"].endswith("Waiting for Approval")]
    assert event["source"] == "model-import"
    assert event["detail"]["execution_arn"] == execution.arn
    assert link(message, "Approve").rpartition("=")[2] not in str(event)

    ask(link(message, "Decline"), "POST")
    ended(execution)


def test_asking_is_tried_again_and_people_are_asked_once(here: World) -> None:
    # Two attempts of the client are one of the function's.
    here.fail(PUT_ITEM, "ThrottlingException", times=2)
    execution = start(here)
    message = asked(here)

    assert not here.faults[PUT_ITEM]
    ask(link(message, "Decline"), "POST")
    assert ended(execution).error == "ApprovalDeclinedError"


def test_an_import_that_cannot_be_asked_about_fails_and_does_not_go_on(here: World) -> None:
    here.fail(PUT_ITEM, "AccessDeniedException")

    outcome = ended(start(here))

    assert outcome.error == "PermissionMissingError"
    assert "dynamodb:PutItem" in str(outcome.cause)
    assert outcome.states == [*BEFORE, *FAILURE]
