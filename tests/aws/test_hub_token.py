"""The Hub token in Secrets Manager."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws
from support.worlds.loopback_transfer import CREDENTIALS, REGION

from model_import.errors import InvalidInputError
from model_import.sources.hub.token import read_hub_token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_secretsmanager import SecretsManagerClient


@pytest.fixture
def secrets() -> Iterator[SecretsManagerClient]:
    with mock_aws():
        yield boto3.client("secretsmanager", region_name=REGION, **CREDENTIALS)


@pytest.mark.parametrize("text", ["hf_abc", " hf_abc\n", '{"token": "hf_abc"}'])
def test_a_token_is_stored_bare_or_as_json(secrets: SecretsManagerClient, text: str) -> None:
    arn = secrets.create_secret(Name="hub", SecretString=text)["ARN"]

    assert read_hub_token(secrets, arn) == "hf_abc"


@pytest.mark.parametrize(
    "text",
    ['{"key": "hf_abc"}', '{"token": 7}', '{"token": "hf_abc"', "hf_abc hf_def", "hf_äbc", " "],
)
def test_what_is_no_token_is_refused_without_being_shown(
    secrets: SecretsManagerClient, text: str
) -> None:
    arn = secrets.create_secret(Name="hub", SecretString=text)["ARN"]

    with pytest.raises(InvalidInputError, match="does not contain a Hub token") as raised:
        read_hub_token(secrets, arn)
    assert arn in str(raised.value)
    assert "hf_" not in str(raised.value)


def test_a_binary_secret_is_no_token(secrets: SecretsManagerClient) -> None:
    arn = secrets.create_secret(Name="hub", SecretBinary=b"hf_abc")["ARN"]

    with pytest.raises(InvalidInputError, match="does not contain a Hub token"):
        read_hub_token(secrets, arn)
