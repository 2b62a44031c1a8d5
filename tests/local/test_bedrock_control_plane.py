"""Import jobs and imported models, through boto3 and a loopback server."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from support.checkpoints.tiny_checkpoint import tiny_checkpoint
from support.servers.bedrock_endpoint import (
    ACCOUNT_ID,
    BUCKET,
    REGION,
    ROLE_ARN,
    BedrockEndpoint,
    bedrock_endpoint,
)

from local.bedrock import BedrockSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FILES = tiny_checkpoint()


@pytest.fixture(scope="module")
def server() -> Iterator[BedrockEndpoint]:
    with bedrock_endpoint() as served:
        yield served


@pytest.fixture
def endpoint(server: BedrockEndpoint) -> BedrockEndpoint:
    server.restart()
    return server


def refusal(call: Callable[[], object]) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as raised:
        call()
    response = raised.value.response
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    return response["Error"]["Code"], response["Error"]["Message"], status


def test_a_job_ends_at_the_last_of_a_few_polls(endpoint: BedrockEndpoint) -> None:
    job = endpoint.start_import(endpoint.stage(FILES))
    polls = [endpoint.bedrock.get_model_import_job(jobIdentifier=job) for _ in range(4)]
    statuses = [poll["status"] for poll in polls]
    assert statuses == ["InProgress", "InProgress", "Completed", "Completed"]
    assert "importedModelArn" not in polls[0]
    assert polls[2]["importedModelArn"] == polls[3]["importedModelArn"]


def test_a_job_that_nobody_polls_ends_after_its_time(endpoint: BedrockEndpoint) -> None:
    endpoint.start_import(endpoint.stage(FILES))
    assert endpoint.bedrock.list_imported_models()["modelSummaries"] == []
    endpoint.clock.advance(30)
    summaries = endpoint.bedrock.list_imported_models()["modelSummaries"]
    assert [summary["modelName"] for summary in summaries] == ["tiny"]


def test_job_and_model_are_found_by_name_and_by_arn(endpoint: BedrockEndpoint) -> None:
    job_arn = endpoint.start_import(endpoint.stage(FILES))
    by_arn = endpoint.end_import(job_arn)
    by_name = endpoint.end_import("import-tiny")
    assert by_arn["jobArn"] == by_name["jobArn"] == job_arn
    model = endpoint.bedrock.get_imported_model(modelIdentifier="tiny")
    again = endpoint.bedrock.get_imported_model(modelIdentifier=model["modelArn"])
    assert again["modelName"] == "tiny"
    assert (model["jobArn"], model["jobName"]) == (job_arn, "import-tiny")


def test_a_model_says_what_it_is(endpoint: BedrockEndpoint) -> None:
    uri = endpoint.stage(FILES)
    endpoint.end_import(endpoint.start_import(uri))
    model = endpoint.bedrock.get_imported_model(modelIdentifier="tiny")
    assert model["modelArchitecture"] == "llama"
    assert model["instructSupported"] is True
    assert model["customModelUnits"] == {
        "customModelUnitsPerModelCopy": 1,
        "customModelUnitsVersion": "v1.0",
    }
    assert model["modelDataSource"]["s3DataSource"]["s3Uri"] == uri


def test_a_model_without_a_chat_template_is_not_instruct_supported(
    endpoint: BedrockEndpoint,
) -> None:
    model = endpoint.import_model(tiny_checkpoint(chat_template=None))
    said = endpoint.bedrock.get_imported_model(modelIdentifier=model)
    assert said["instructSupported"] is False


def test_a_job_names_its_times_role_and_network(endpoint: BedrockEndpoint) -> None:
    network: dict[str, Any] = {"subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1"]}
    key = "0" * 36
    started = endpoint.clock()
    job = endpoint.start_import(endpoint.stage(FILES), vpcConfig=network, importedModelKmsKeyId=key)
    ended = endpoint.end_import(job)
    assert ended["roleArn"] == ROLE_ARN
    assert ended["vpcConfig"] == network
    assert ended["importedModelKmsKeyArn"] == f"arn:aws:kms:{REGION}:{ACCOUNT_ID}:key/{key}"
    assert ended["creationTime"] == started
    assert ended["endTime"] == ended["lastModifiedTime"] == started + timedelta(hours=1)


def test_a_second_job_at_the_same_time_exceeds_the_quota_of_one(endpoint: BedrockEndpoint) -> None:
    uri = endpoint.stage(FILES)
    endpoint.start_import(uri, "first")
    code, message, status = refusal(lambda: endpoint.start_import(uri, "second"))
    assert (code, status) == ("ServiceQuotaExceededException", 400)
    assert "Concurrent model import jobs" in message
    assert "quota increase" in message
    endpoint.end_import("import-first")
    endpoint.start_import(uri, "second")


def test_a_fourth_model_exceeds_the_quota_of_three(endpoint: BedrockEndpoint) -> None:
    for name in ("one", "two", "three"):
        endpoint.import_model(FILES, name)
    uri = endpoint.stage(FILES)
    code, message, _ = refusal(lambda: endpoint.start_import(uri, "four"))
    assert code == "ServiceQuotaExceededException"
    assert "Imported models per account" in message
    endpoint.bedrock.delete_imported_model(modelIdentifier="two")
    endpoint.start_import(uri, "four")


def test_a_job_name_that_was_used_is_a_conflict_even_if_the_job_failed(
    endpoint: BedrockEndpoint,
) -> None:
    endpoint.end_import(endpoint.start_import(f"s3://{BUCKET}/nothing/"))
    code, message, status = refusal(lambda: endpoint.start_import(endpoint.stage(FILES)))
    assert (code, status) == ("ConflictException", 400)
    assert "import-tiny" in message


def test_a_model_name_that_exists_is_a_validation_error(endpoint: BedrockEndpoint) -> None:
    endpoint.import_model(FILES)
    code, message, _ = refusal(
        lambda: endpoint.start_import(endpoint.stage(FILES), jobName="another")
    )
    assert code == "ValidationException"
    assert "tiny already exists" in message


def test_a_client_token_seen_before_starts_nothing(endpoint: BedrockEndpoint) -> None:
    uri = endpoint.stage(FILES)
    first = endpoint.start_import(uri, clientRequestToken="token-1")
    assert endpoint.start_import(uri, clientRequestToken="token-1") == first
    assert len(endpoint.bedrock.list_model_import_jobs()["modelImportJobSummaries"]) == 1


def test_a_role_that_iam_has_not_propagated_is_invalid_at_first(endpoint: BedrockEndpoint) -> None:
    endpoint.restart(BedrockSettings(role_not_ready_times=2))
    uri = endpoint.stage(FILES)
    for _ in range(2):
        code, message, _ = refusal(lambda: endpoint.start_import(uri))
        assert (code, message) == ("ValidationException", "The provided role ARN is invalid")
    endpoint.start_import(uri)


def test_a_role_that_does_not_exist_stays_invalid(endpoint: BedrockEndpoint) -> None:
    endpoint.restart(role_exists=lambda arn: arn == ROLE_ARN)
    uri = endpoint.stage(FILES)
    other = f"arn:aws:iam::{ACCOUNT_ID}:role/other"
    for _ in range(2):
        _, message, _ = refusal(lambda: endpoint.start_import(uri, roleArn=other))
        assert message == "The provided role ARN is invalid"
    endpoint.start_import(uri)


def test_a_region_without_custom_model_import_refuses_jobs(endpoint: BedrockEndpoint) -> None:
    endpoint.restart(region="ap-northeast-1")
    code, message, _ = refusal(lambda: endpoint.start_import(f"s3://{BUCKET}/models/"))
    assert code == "ValidationException"
    assert "not available in ap-northeast-1" in message


@pytest.mark.parametrize(
    ("fields", "member"),
    [
        ({"jobName": "bad name!"}, "jobName"),
        ({"jobName": "under_score"}, "jobName"),
        ({"jobName": "a" + "-" * 61 + "!"}, "jobName"),
        ({"jobName": "a" * 64}, "jobName"),
        ({"importedModelName": "Qwen2.5-7B"}, "importedModelName"),
        ({"importedModelName": "meta-llama--X"}, "importedModelName"),
        ({"importedModelName": "a" * 64}, "importedModelName"),
        ({"roleArn": "arn:aws:iam::123456789012:user/me"}, "roleArn"),
        (
            {"modelDataSource": {"s3DataSource": {"s3Uri": "http://x"}}},
            "modelDataSource.s3DataSource.s3Uri",
        ),
        (
            {"modelDataSource": {"s3DataSource": {"s3Uri": "s3://bucket/a b"}}},
            "modelDataSource.s3DataSource.s3Uri",
        ),
        ({"clientRequestToken": "-starts-badly"}, "clientRequestToken"),
        ({"jobTags": [{"key": "k", "value": "?"}]}, "jobTags.1.member.value"),
        (
            {"vpcConfig": {"subnetIds": ["?"], "securityGroupIds": ["sg-1"]}},
            "vpcConfig.subnetIds.1.member",
        ),
        ({"importedModelKmsKeyId": "nonsense"}, "importedModelKmsKeyId"),
    ],
)
def test_a_member_that_breaks_its_pattern_or_length_is_a_validation_error(
    endpoint: BedrockEndpoint, fields: dict[str, Any], member: str
) -> None:
    code, message, status = refusal(
        lambda: endpoint.start_import(f"s3://{BUCKET}/models/", **fields)
    )
    assert (code, status) == ("ValidationException", 400)
    assert "1 validation error detected" in message
    assert f"at '{member}' failed to satisfy constraint" in message


def test_all_violations_are_named_together(endpoint: BedrockEndpoint) -> None:
    status, headers, answer = endpoint.request(
        "POST", "/model-import-jobs", {"jobName": "bad name!", "roleArn": 1}
    )
    assert (status, headers["x-amzn-errortype"]) == (400, "ValidationException")
    assert answer["message"].startswith("4 validation errors detected: Value 'bad name!' at")
    assert "Value null at 'modelDataSource'" in answer["message"]


def test_more_than_fifty_tags_are_too_many(endpoint: BedrockEndpoint) -> None:
    tags = [{"key": f"k{number}", "value": "v"} for number in range(51)]
    uri = endpoint.stage(FILES)
    for call in (
        lambda: endpoint.start_import(uri, jobTags=tags),
        lambda: endpoint.start_import(uri, importedModelTags=tags),
    ):
        assert refusal(call)[0] == "TooManyTagsException"
    endpoint.start_import(uri)


def test_tags_of_job_and_model_are_kept_apart_and_can_change(endpoint: BedrockEndpoint) -> None:
    job = endpoint.start_import(
        endpoint.stage(FILES),
        jobTags=[{"key": "kind", "value": "job"}],
        importedModelTags=[{"key": "kind", "value": "model"}],
    )
    model = endpoint.end_import(job)["importedModelArn"]
    assert tags_of(endpoint, job) == {"kind": "job"}
    endpoint.bedrock.tag_resource(resourceARN=model, tags=[{"key": "more", "value": "1"}])
    assert tags_of(endpoint, model) == {"kind": "model", "more": "1"}
    endpoint.bedrock.untag_resource(resourceARN=model, tagKeys=["kind"])
    assert tags_of(endpoint, model) == {"more": "1"}


def tags_of(endpoint: BedrockEndpoint, arn: str) -> dict[str, str]:
    tags = endpoint.bedrock.list_tags_for_resource(resourceARN=arn)["tags"]
    return {tag["key"]: tag["value"] for tag in tags}


def test_what_does_not_exist_is_not_found(endpoint: BedrockEndpoint) -> None:
    bedrock = endpoint.bedrock
    arn = f"arn:aws:bedrock:{REGION}:{ACCOUNT_ID}:imported-model/{'0' * 12}"
    for call in (
        lambda: bedrock.get_model_import_job(jobIdentifier="nobody"),
        lambda: bedrock.get_imported_model(modelIdentifier="nobody"),
        lambda: bedrock.get_imported_model(modelIdentifier=arn),
        lambda: bedrock.delete_imported_model(modelIdentifier="nobody"),
        lambda: bedrock.list_tags_for_resource(resourceARN=arn),
    ):
        code, _, status = refusal(call)
        assert (code, status) == ("ResourceNotFoundException", 404)


def test_a_deleted_model_is_gone_and_its_name_is_free(endpoint: BedrockEndpoint) -> None:
    first = endpoint.import_model(FILES)
    endpoint.bedrock.delete_imported_model(modelIdentifier=first)
    assert endpoint.bedrock.list_imported_models()["modelSummaries"] == []
    job = endpoint.start_import(endpoint.stage(FILES), jobName="again")
    assert endpoint.end_import(job)["importedModelArn"] != first


def test_jobs_are_listed_newest_first_in_pages(endpoint: BedrockEndpoint) -> None:
    for name in ("one", "two", "three"):
        endpoint.end_import(endpoint.start_import(f"s3://{BUCKET}/nothing/", name))
    pages = endpoint.bedrock.get_paginator("list_model_import_jobs").paginate(
        PaginationConfig={"PageSize": 2}
    )
    names = [[job["jobName"] for job in page["modelImportJobSummaries"]] for page in pages]
    assert names == [["import-three", "import-two"], ["import-one"]]


def test_lists_are_filtered_and_sorted(endpoint: BedrockEndpoint) -> None:
    bedrock = endpoint.bedrock
    endpoint.import_model(FILES, "one")
    between = endpoint.clock() + timedelta(seconds=1)
    endpoint.clock.advance(2)
    endpoint.import_model(FILES, "two")
    endpoint.start_import(f"s3://{BUCKET}/nothing/", "three")

    def models(**filters: Any) -> list[str]:  # noqa: ANN401  the call's own fields
        found = bedrock.list_imported_models(**filters)["modelSummaries"]
        return [model["modelName"] for model in found]

    def jobs(**filters: Any) -> list[str]:  # noqa: ANN401  the call's own fields
        found = bedrock.list_model_import_jobs(**filters)["modelImportJobSummaries"]
        return [job["jobName"] for job in found]

    assert models(sortBy="CreationTime", sortOrder="Ascending") == ["one", "two"]
    assert models(creationTimeAfter=between) == ["two"]
    assert models(creationTimeBefore=between) == ["one"]
    assert models(nameContains="w") == ["two"]
    assert jobs(statusEquals="InProgress") == ["import-three"]
    assert jobs(statusEquals="Completed", creationTimeBefore=between) == ["import-one"]


def test_a_filter_that_is_no_number_time_or_known_value_is_a_validation_error(
    endpoint: BedrockEndpoint,
) -> None:
    for query in (
        "maxResults=many",
        "maxResults=0",
        "maxResults=1001",
        "creationTimeAfter=yesterday",
        "statusEquals=Stopped",
        "nextToken=nonsense",
    ):
        status, headers, _ = endpoint.request("GET", f"/model-import-jobs?{query}")
        assert (status, headers["x-amzn-errortype"]) == (400, "ValidationException"), query
