"""What happens to an import is told to whoever subscribes, and never in its way."""

from __future__ import annotations

import json
from typing import Any, Final

from support.worlds.workflow_world import REPO_ID, World

PUBLISH: Final = "sns:POST /"
SOURCE: Final = "model-import"


def put(here: World, source: str, detail_type: str, **detail: object) -> None:
    entry = {"Source": source, "DetailType": detail_type, "Detail": json.dumps(detail)}
    here.aws.account.client("events").put_events(Entries=[entry])


def subscribed_queue(here: World, **policy: list[str]) -> str:
    """Subscribe a queue as anybody may, with a filter if given; return its URL."""
    sqs, sns = here.aws.account.client("sqs"), here.aws.account.client("sns")
    url: str = sqs.create_queue(QueueName=f"told-{len(policy)}")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    sns.subscribe(
        TopicArn=here.aws.stack.outputs["AnnouncementTopicArn"],
        Protocol="sqs",
        Endpoint=attributes["QueueArn"],
        Attributes={"FilterPolicy": json.dumps(policy)} if policy else {},
    )
    return url


def received(here: World, url: str) -> list[dict[str, Any]]:
    sqs = here.aws.account.client("sqs")
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in messages]


def test_a_subscriber_hears_of_the_beginning_and_of_the_end(here: World) -> None:
    everything, ends = subscribed_queue(here), subscribed_queue(here, kind=["succeeded"])

    outcome = here.run()
    here.announced()

    begun, ended = received(here, everything)
    assert begun["Subject"] == f"Import started: {REPO_ID}"
    assert "Forecast: " in begun["Message"]
    assert ended["Subject"] == f"Imported: {REPO_ID}"
    assert f"Model: {outcome.model_arn}\n" in ended["Message"]
    assert "/text-generation-playground?" in ended["Message"]
    assert "#/v2/executions/details/arn:aws:states:" in ended["Message"]
    assert "prefix=imports%2F" in ended["Message"]
    assert [message["Subject"] for message in received(here, ends)] == [ended["Subject"]]


def test_a_refused_repository_is_announced_with_its_findings(here: World) -> None:
    outcome = here.run(repo_id="acme/quantised")

    (told,) = here.announced()
    assert told.subject == f"Import failed: acme/quantised ({outcome.error})"
    assert "QUANTISED" in json.loads(told.message)["default"]
    assert "started" not in told.subject


def test_an_input_that_nobody_can_use_is_announced(here: World) -> None:
    here.run(repo_id=["\ud800"], model_name="x" * 5000)

    (told,) = here.announced()
    assert "(InvalidInputError)" in told.subject


def test_what_another_stack_or_another_source_puts_is_not_announced(here: World) -> None:
    arn = "arn:aws:states:us-east-1:123456789012:execution"
    put(here, SOURCE, "Model Import Paused", execution_arn=f"{arn}:another:1")
    put(here, SOURCE, "Model Import Paused")
    own = here.aws.stack.state_machine_arn.rpartition(":")[2]
    put(here, "another", "Model Import Paused", execution_arn=f"{arn}:{own}:1")
    assert here.announced() == []

    put(here, SOURCE, "Model Import Paused", execution_arn=f"{arn}:{own}:1")
    assert [told.subject for told in here.announced()] == ["Model Import Paused"]


def test_an_announcement_that_sns_does_not_take_is_tried_again(here: World) -> None:
    here.fail(PUBLISH, "AccessDeniedException", times=1)

    assert here.run().status == "SUCCEEDED"
    assert len(here.announced()) == 2
    assert here.calls[PUBLISH] == 3


def test_an_import_succeeds_that_cannot_be_announced(here: World) -> None:
    here.fail(PUBLISH, "AccessDeniedException", times=100)

    assert here.run().status == "SUCCEEDED"
    assert here.announced() == []
    assert here.calls[PUBLISH] == 6
