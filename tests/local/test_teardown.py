"""What a stack leaves behind in a local AWS is listed, removed, and named if it is not."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from click.testing import CliRunner
from support.worlds.workflow_world import World, bedrock_settings, world

from model_import_cli.__main__ import main
from model_import_cli.leftovers import StackRemains

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.testing import Result

STACK = "model-import"


def teardown(*options: str, stack: str = STACK, answer: str | None = None) -> Result:
    return CliRunner().invoke(main, ["teardown", stack, *options], input=answer)


@dataclass(frozen=True)
class Story:
    """A stack that has imported a model, and what came of each command about it, in turn."""

    here: World
    bucket: str
    listed: Result
    audited: Result
    of_another: Result
    refused: Result
    objects_before: int
    models_before: int
    done: Result


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    # Without a VPC, which moto does not delete again.
    given = {"SubnetIds": "subnet-00000001", "SecurityGroupIds": "sg-00000001"}
    with (
        mock.patch.dict(os.environ),
        world(tmp_path_factory.mktemp("world"), given) as here,
    ):
        os.environ.update(here.aws.account.environment)
        account = here.aws.account
        bucket = here.aws.stack.outputs["StagingBucketName"]
        here.run()
        here.aws.event_bus.settle()
        account.client("s3").create_bucket(Bucket="of-somebody-else")
        yield Story(
            here=here,
            bucket=bucket,
            listed=teardown("--dry-run"),
            audited=teardown("--audit"),
            of_another=teardown("--yes", stack="another"),
            refused=teardown(answer="n\n"),
            objects_before=account.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"],
            models_before=len(account.client("bedrock").list_imported_models()["modelSummaries"]),
            done=teardown("--yes"),
        )


@pytest.fixture
def after(story: Story, monkeypatch: pytest.MonkeyPatch) -> Story:
    for name, value in story.here.aws.account.environment.items():
        monkeypatch.setenv(name, value)
    return story


def test_listing_names_all_that_is_billed_and_removes_nothing(story: Story) -> None:
    assert story.listed.exit_code == 0
    for kind in (f"stack {STACK}", f"bucket {story.bucket}", "log group", "imported model acme-"):
        assert f"left: {kind}" in story.listed.output
    assert story.audited.exit_code == 1
    assert "of-somebody-else" not in story.listed.output
    assert story.objects_before > 0
    assert story.models_before == 1


def test_without_a_yes_and_for_another_stack_nothing_is_removed(story: Story) -> None:
    assert story.of_another.exit_code == 0
    assert "No billed resource of the stack is left" in story.of_another.output
    assert story.refused.exit_code == 1
    assert "removed" not in story.of_another.output + story.refused.output


def test_a_teardown_leaves_nothing_of_the_stack_and_all_of_others(story: Story) -> None:
    account = story.here.aws.account
    buckets = {found["Name"] for found in account.client("s3").list_buckets()["Buckets"]}

    assert story.done.exit_code == 0, story.done.output
    assert "No billed resource of the stack is left" in story.done.output
    assert account.client("bedrock").list_imported_models()["modelSummaries"] == []
    assert account.client("logs").describe_log_groups()["logGroups"] == []
    assert story.bucket not in buckets
    assert "of-somebody-else" in buckets


def test_a_bucket_that_outlived_its_stack_is_named_and_removed_with_its_objects(
    after: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    # moto makes up new names for what a deleted stack had.
    ids = {"AWS::S3::Bucket": [after.bucket]}
    monkeypatch.setattr(StackRemains, "_physical_ids", lambda _, kind: ids.get(kind, []))
    s3 = after.here.aws.account.client("s3")
    s3.create_bucket(Bucket=after.bucket)
    s3.put_object(Bucket=after.bucket, Key="models/a", Body=b"123")
    s3.create_multipart_upload(Bucket=after.bucket, Key="models/b")

    audited = teardown("--audit")
    assert audited.exit_code == 1
    assert f"left: bucket {after.bucket}: holds 1 objects of 3 bytes" in audited.output
    assert teardown("--yes").exit_code == 0
    assert teardown("--audit").exit_code == 0


def test_a_log_group_that_outlived_its_stack_is_named_and_removed(after: Story) -> None:
    name = "/aws/vendedlogs/states/model-import"
    after.here.aws.account.client("logs").create_log_group(logGroupName=name)

    audited = teardown("--audit")
    assert audited.exit_code == 1
    assert f"left: log group {name}" in audited.output
    assert teardown("--yes").exit_code == 0


def test_an_import_job_that_still_runs_fails_the_teardown_by_name(after: Story) -> None:
    after.here.aws.start_bedrock(bedrock_settings(polls=1_000))
    account = after.here.aws.account
    role = account.client("iam").create_role(RoleName="reader", AssumeRolePolicyDocument="{}")
    tags = [{"key": "model-import-stack", "value": STACK}]
    account.client("bedrock").create_model_import_job(
        jobName="still-running",
        importedModelName="model",
        roleArn=role["Role"]["Arn"],
        modelDataSource={"s3DataSource": {"s3Uri": "s3://of-somebody-else/model/"}},
        jobTags=tags,
        importedModelTags=tags,
    )

    done = teardown("--yes")
    assert done.exit_code == 1
    assert "left: import job still-running: cannot be stopped" in done.output
    after.here.aws.start_bedrock(bedrock_settings())
    account.client("iam").delete_role(RoleName="reader")


def test_aws_that_is_not_to_be_reached_is_told_and_nothing_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    refused = teardown("--yes")

    assert refused.exit_code == 2
    assert "EndpointConnectionError" in refused.output
