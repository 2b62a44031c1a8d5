"""From an event to an import or to the reason why not, through the real state machines."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import pytest
import urllib3
from support.waiting import wait_until
from support.worlds.hub_deliveries import payload, ref, repository
from support.worlds.workflow_world import INVOKE, REPO_ID, World, world

from local.__main__ import SHIPPED_HUB
from local.deployment.execution import FollowedExecution
from local.deployment.stack import ROOT
from local.deployment.webhook_delivery import deliver
from model_import.request.naming import execution_name
from model_import_cli.folder_hub.faults import Fault as HubFault
from model_import_cli.folder_hub.repositories import Repository

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.deployment.execution import Outcome

WANTED: Final = [
    "Read Policy",
    "Wait Until Settled",
    "Judge Release",
    "Release Wanted?",
    "Start Import",
    "Import Started",
]
FAILURE: Final = ["Record Failure", "Publish Failure", "Release Failed"]
SHIPPED: Final = "model-import/Tiny-Quiz-Llama-Instruct"
HUB_WEBHOOK: Final = ROOT / "events" / "hub_webhook.json"


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    parameters = {"ReleaseWebhook": "ENABLED", "WatchSchedule": "rate(15 minutes)"}
    shipped = Repository.from_directory(SHIPPED_HUB / SHIPPED)
    with world(tmp_path_factory.mktemp("hub"), parameters, repositories=(shipped,)) as made:
        yield made


@pytest.fixture
def here(shared_world: World) -> Iterator[World]:
    shared_world.reset()
    write_policy(shared_world)
    # Imports end where they begin, but for tests that are about one.
    shared_world.fail(validating(shared_world), "AccessDeniedException", times=100)
    # Each test releases another commit: an import is started once for each.
    card = shared_world.directory / REPO_ID / "README.md"
    card.write_text(f"---\nlicense: mit\n---\nChange {time.monotonic_ns()}\n")
    yield shared_world
    client = shared_world.aws.account.client("stepfunctions")
    for machine in reversed(shared_world.aws.stack.state_machine_arns):
        running = client.list_executions(stateMachineArn=machine, statusFilter="RUNNING")
        for execution in running["executions"]:
            ended(shared_world, execution["executionArn"])


def validating(here: World) -> str:
    functions = here.aws.stack.functions.values()
    return f"{INVOKE}{next(f.arn for f in functions if 'ValidateRepository' in f.name)}"


def write_policy(here: World, text: str | None = None, **document: object) -> None:
    made = json.dumps({"watch": ["acme/*"], "settle_seconds": 600} | document)
    here.aws.account.client("ssm").put_parameter(
        Name=here.aws.stack.outputs["ReleasePolicyName"],
        Value=made if text is None else text,
        Type="String",
        Overwrite=True,
    )


def head(here: World, repo_id: str = REPO_ID) -> str:
    answer = urllib3.request("GET", f"{here.hub.endpoint}/api/models/{repo_id}", timeout=None)
    commit: str = answer.json()["sha"]
    return commit


def released(here: World, **detail: Any) -> Outcome:  # noqa: ANN401 – any JSON
    """Run the release of an event to its end."""
    started = here.aws.account.client("stepfunctions").start_execution(
        stateMachineArn=here.aws.stack.outputs["ReleaseStateMachineArn"], input=json.dumps(detail)
    )
    return ended(here, started["executionArn"])


def ended(here: World, arn: str) -> Outcome:
    execution = FollowedExecution(here.aws, arn)
    execution.wait()
    return execution.outcome()


def output(here: World, outcome_of: str) -> dict[str, Any]:
    client = here.aws.account.client("stepfunctions")
    described = client.describe_execution(executionArn=outcome_of)
    found: dict[str, Any] = json.loads(described["output"])
    return found


def executions(here: World, machine_arn: str) -> list[str]:
    client = here.aws.account.client("stepfunctions")
    pages = client.get_paginator("list_executions").paginate(stateMachineArn=machine_arn)
    return [execution["executionArn"] for page in pages for execution in page["executions"]]


def imports(here: World) -> list[str]:
    return executions(here, here.aws.stack.state_machine_arn)


def releases(here: World) -> list[str]:
    return executions(here, here.aws.stack.outputs["ReleaseStateMachineArn"])


def wait_for(here: World, before: list[str], count: int) -> list[str]:
    """Return the executions of releases that came since, once there are so many."""

    def came() -> list[str]:
        return [arn for arn in releases(here) if arn not in before]

    return wait_until(
        lambda: new if len(new := came()) >= count else [],
        lambda: f"{len(came())} of {count} executions",
    )


def test_a_wanted_release_starts_the_import_of_its_commit(here: World) -> None:
    commit = head(here)

    outcome = released(here, repo_id=REPO_ID, revision=commit, tags={"team": "nlp"})

    assert outcome.states == WANTED
    (started,) = [arn for arn in imports(here) if arn.endswith(execution_name(REPO_ID, commit))]
    described = here.aws.account.client("stepfunctions").describe_execution(executionArn=started)
    assert json.loads(described["input"]) == {
        "repo_id": REPO_ID,
        "revision": commit,
        "tags": {"team": "nlp"},
    }


@pytest.mark.parametrize("revision", [None, "main"])
def test_an_event_without_a_commit_stands_for_the_head_of_the_branch(
    here: World, revision: str | None
) -> None:
    named = {} if revision is None else {"revision": revision}

    assert released(here, repo_id=REPO_ID, **named).states == WANTED
    assert any(execution_name(REPO_ID, head(here)) in arn for arn in imports(here))


def test_a_release_whose_import_has_ended_is_known(here: World) -> None:
    commit = head(here)
    released(here, repo_id=REPO_ID, revision=commit)
    (started,) = [arn for arn in imports(here) if execution_name(REPO_ID, commit) in arn]
    ended(here, started)
    before = imports(here)

    outcome = released(here, repo_id=REPO_ID, revision=commit)

    assert outcome.states == [*WANTED[:-1], "Release Known"]
    assert imports(here) == before


def test_a_commit_that_was_overtaken_while_it_settled_is_superseded(here: World) -> None:
    before = imports(here)

    outcome = released(here, repo_id=REPO_ID, revision="f" * 40)

    assert outcome.status == "SUCCEEDED"
    assert outcome.states == [*WANTED[:-2], "Release Superseded"]
    assert imports(here) == before


@pytest.mark.parametrize(
    ("repo_id", "document", "reasons"),
    [
        (REPO_ID, {"watch": ["other/*"]}, ["is not watched: the policy watches other/*"]),
        (REPO_ID, {"except": ["acme/Tiny*"]}, ["is excluded by acme/Tiny*"]),
        (
            REPO_ID,
            {
                "licences": ["apache-2.0"],
                "model_types": ["mistral"],
                "weights_bytes_at_most": 1,
                "usd_per_active_hour_at_most": 0.01,
            },
            [
                "the model_type is llama",
                "the weights have",
                "an active hour",
                "LICENCE_NOT_ALLOWED",
            ],
        ),
        ("acme/quantised", {}, ["QUANTISED"]),
    ],
)
def test_what_the_policy_or_bedrock_refuses_is_an_event_with_every_reason(
    here: World, repo_id: str, document: dict[str, Any], reasons: list[str]
) -> None:
    write_policy(here, **document)
    before = imports(here)

    outcome = released(here, repo_id=repo_id)

    assert outcome.states == [*WANTED[:-2], "Publish Refusal", "Release Refused"]
    (event,) = here.events()
    assert event["detail-type"] == "Model Release Refused"
    assert event["detail"]["repo_id"] == repo_id
    for reason, objection in zip(reasons, event["detail"]["objections"], strict=True):
        assert reason in objection
    assert imports(here) == before


def test_what_is_not_watched_is_refused_without_a_word_to_the_hub(here: World) -> None:
    write_policy(here, watch=[])
    here.hub.clear_requests()

    released(here, repo_id=REPO_ID)

    assert not here.hub.requests


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "[]",
        '{"watch": ["acme/*"]}',
        '{"watch": ["acme/*"], "settle_seconds": "x"}',
        '{"watch": ["acme/*"], "settle_seconds": -1}',
        '{"watch": ["acme/*"], "settle_seconds": 0, "licenses": ["mit"]}',
    ],
)
def test_a_policy_that_is_not_valid_imports_nothing_and_ends_by_name(
    here: World, text: str
) -> None:
    write_policy(here, text)
    before = imports(here)

    outcome = released(here, repo_id=REPO_ID)

    assert outcome.error == "PolicyInvalidError"
    assert "Nothing was imported" in str(outcome.cause)
    assert outcome.states[-3:] == FAILURE
    (event,) = here.events()
    assert event["detail-type"] == "Model Release Failed"
    assert event["detail"]["error"] == "PolicyInvalidError"
    assert imports(here) == before


def test_a_policy_that_is_missing_ends_by_name(here: World) -> None:
    ssm = here.aws.account.client("ssm")
    ssm.delete_parameter(Name=here.aws.stack.outputs["ReleasePolicyName"])

    outcome = released(here, repo_id=REPO_ID)

    assert outcome.error == "PolicyInvalidError"
    assert here.aws.stack.outputs["ReleasePolicyName"] in str(outcome.cause)


@pytest.mark.parametrize(
    ("detail", "error"),
    [
        ({}, "InvalidInputError"),
        ({"repo_id": REPO_ID, "nonsense": 1}, "InvalidInputError"),
        ({"repo_id": REPO_ID, "revision": "no-such-branch"}, "RevisionNotFoundError"),
        ({"repo_id": "acme/missing"}, "RepositoryNotFoundError"),
        ({"repo_id": "acme/gated"}, "RepositoryGatedError"),
    ],
)
def test_a_release_that_cannot_be_judged_fails_by_name(
    here: World, detail: dict[str, Any], error: str
) -> None:
    outcome = released(here, **detail)

    assert outcome.error == error
    assert outcome.states[-3:] == FAILURE


def test_a_hub_that_is_away_is_waited_for(here: World) -> None:
    here.hub.faults.add(HubFault("status", match=f"GET /api/models/{REPO_ID}", times=3))

    assert released(here, repo_id=REPO_ID).states == WANTED


def test_a_judge_that_is_throttled_is_asked_again(here: World) -> None:
    judge = next(f.arn for f in here.aws.stack.functions.values() if "JudgeRelease" in f.name)
    here.fail(f"{INVOKE}{judge}", "TooManyRequestsException", times=2)

    assert released(here, repo_id=REPO_ID).states == WANTED


def test_an_import_that_cannot_be_started_for_now_is_started_later(here: World) -> None:
    operation = "states:StartExecution"
    commit, before = head(here), releases(here)
    here.before[operation] = lambda: None
    body = push(commit)
    assert deliver(here.aws, body) == 202
    (arn,) = wait_for(here, before, 1)
    here.fail(operation, "ThrottlingException", times=2)

    assert ended(here, arn).states == WANTED


def push(commit: str, repo_id: str = REPO_ID) -> bytes:
    updated = [ref("refs/heads/main", new=commit)]
    return json.dumps(payload(repo=repository(name=repo_id), updatedRefs=updated)).encode()


def test_a_delivery_at_the_url_becomes_a_model_that_answers(here: World) -> None:
    here.faults.clear()
    write_policy(here, watch=["model-import/*"])
    before = releases(here)

    assert deliver(here.aws, HUB_WEBHOOK.read_bytes()) == 202

    (release,) = wait_for(here, before, 1)
    assert ended(here, release).states == WANTED
    outcome = ended(here, output(here, release)["execution_arn"])
    assert (outcome.status, outcome.error) == ("SUCCEEDED", None)
    assert outcome.answer == "トランペット"
    put = [event["detail-type"] for event in here.events()]
    assert put == ["Model Released", "Model Import Started", "Model Import Succeeded"]
    assert [message.subject for message in here.announced()] == [
        f"Import started: {SHIPPED}",
        f"Imported: {SHIPPED}",
    ]


def test_a_delivery_without_the_secret_starts_nothing(here: World) -> None:
    before = releases(here)
    url = here.aws.stack.outputs["WebhookUrl"]

    assert urllib3.request("POST", url, body=push(head(here)), timeout=None).status == 401
    headers = {"X-Webhook-Secret": "guess"}
    guess = urllib3.request("POST", url, body=push(head(here)), headers=headers, timeout=None)
    assert guess.status == 401
    assert releases(here) == before
    assert not here.events()


def test_deliveries_at_once_and_again_make_one_import(here: World) -> None:
    commit, before = head(here), releases(here)
    threads = [threading.Thread(target=deliver, args=(here.aws, push(commit))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    states = [ended(here, arn).states[-1] for arn in wait_for(here, before, 6)]

    assert set(states) <= {"Import Started", "Release Known"}
    started = [arn for arn in imports(here) if execution_name(REPO_ID, commit) in arn]
    assert len(started) == 1


def test_the_watch_tells_of_the_next_push(here: World) -> None:
    function = here.aws.stack.function(here.aws.stack.outputs["WatchFunctionName"])
    assert function is not None
    function.invoke(b"{}")
    before = releases(here)
    (here.directory / REPO_ID / "README.md").write_text("---\nlicense: mit\n---\nAnother")

    report = json.loads(function.invoke(b"{}").payload)

    assert report["released"] == 1
    (release,) = wait_for(here, before, 1)
    assert ended(here, release).states == WANTED
    assert json.loads(function.invoke(b"{}").payload)["released"] == 0


def test_a_watch_under_a_policy_in_doubt_tells_nothing(here: World) -> None:
    function = here.aws.stack.function(here.aws.stack.outputs["WatchFunctionName"])
    assert function is not None
    write_policy(here, "{}")

    invocation = function.invoke(b"{}")

    assert invocation.raised
    assert json.loads(invocation.payload)["errorType"] == "PolicyInvalidError"
    assert not here.events()
