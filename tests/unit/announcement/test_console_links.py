"""Links lead into the console of the ARN's partition and Region."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from model_import.announcement.console_links import execution_link, object_link, playground_link

MODEL = "arn:aws:bedrock:eu-central-1:123456789012:imported-model/46da486162da"
EXECUTION = "arn:aws:states:eu-central-1:123456789012:execution:Import:acme-Tiny"
MANIFEST = "s3://bucket/imports/acme Tiny&1/manifest.json"


def test_an_execution_opens_in_the_step_functions_console() -> None:
    assert execution_link(EXECUTION) == (
        "https://eu-central-1.console.aws.amazon.com/states/home?region=eu-central-1"
        f"#/v2/executions/details/{EXECUTION}"
    )


def test_a_model_opens_in_the_playground_of_bedrock() -> None:
    parts = urlsplit(playground_link(MODEL))
    page, _, query = parts.fragment.partition("?")

    assert parts.hostname == "eu-central-1.console.aws.amazon.com"
    assert (parts.path, parts.query) == ("/bedrock/home", "region=eu-central-1")
    assert page == "/text-generation-playground"
    assert parse_qs(query) == {"mode": ["text"], "modelId": [MODEL]}


def test_a_manifest_opens_in_the_s3_console() -> None:
    parts = urlsplit(object_link(MANIFEST, EXECUTION))

    assert parts.path == "/s3/object/bucket"
    assert parse_qs(parts.query) == {
        "region": ["eu-central-1"],
        "prefix": ["imports/acme Tiny&1/manifest.json"],
    }


@pytest.mark.parametrize(
    ("partition", "region", "host"),
    [
        ("aws", "us-east-1", "us-east-1.console.aws.amazon.com"),
        ("aws-cn", "cn-north-1", "cn-north-1.console.amazonaws.cn"),
        ("aws-us-gov", "us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
    ],
)
def test_each_partition_has_a_console_of_its_own(partition: str, region: str, host: str) -> None:
    execution = f"arn:{partition}:states:{region}:123456789012:execution:Import:1"

    assert urlsplit(execution_link(execution)).hostname == host
    assert urlsplit(object_link(MANIFEST, execution)).hostname == host


@pytest.mark.parametrize(
    "arn", ["", "arn", "arn:aws:states", "arn:aws-eusc:states:r:1:execution:a:b", "urn:aws:s:r:1"]
)
def test_what_is_no_arn_of_a_known_partition_is_no_link(arn: str) -> None:
    with pytest.raises(ValueError, match="not an ARN of aws, aws-cn, aws-us-gov"):
        execution_link(arn)


@pytest.mark.parametrize("uri", ["", "s3://bucket", "s3://bucket/", "https://bucket/key"])
def test_what_names_no_object_is_no_link(uri: str) -> None:
    with pytest.raises(ValueError, match="is not the URI of an S3 object"):
        object_link(uri, EXECUTION)
