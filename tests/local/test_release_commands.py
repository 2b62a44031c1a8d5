"""`model-import watch` and `model-import webhook`, against a stack and a Hub on this machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import httpx2
import pytest
from click.testing import CliRunner, Result
from huggingface_hub import close_session, set_client_factory
from moto import mock_aws

from local.__main__ import SHIPPED_HUB
from model_import_cli.__main__ import main
from model_import_cli.folder_hub.server import LocalHub

if TYPE_CHECKING:
    from collections.abc import Iterator

SHIPPED = "model-import/Tiny-Quiz-Llama-Instruct"
NAME = "/model-import/release-policy"
SECRET = "very-secret-indeed"
URL = "https://abc.lambda-url.us-east-1.on.aws/"


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    with LocalHub.from_directory(SHIPPED_HUB) as made:
        yield made


@pytest.fixture(autouse=True)
def stack(hub: LocalHub) -> Iterator[None]:
    with mock_aws():
        arn = boto3.client("secretsmanager").create_secret(Name="s", SecretString=SECRET)["ARN"]
        parameters = {"HubEndpoint": hub.endpoint, "TrackedBranch": "main"}
        outputs = {"ReleasePolicyName": NAME, "WebhookUrl": URL, "WebhookSecretArn": arn}
        value = '{"watch": [], "settle_seconds": 600}'
        policy = {"Name": NAME, "Type": "String", "Value": value}
        template = {
            "Parameters": {name: {"Type": "String"} for name in parameters},
            "Resources": {"Policy": {"Type": "AWS::SSM::Parameter", "Properties": policy}},
            "Outputs": {name: {"Value": value} for name, value in outputs.items()},
        }
        boto3.client("cloudformation").create_stack(
            StackName="model-import",
            TemplateBody=json.dumps(template),
            Parameters=[
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in parameters.items()
            ],
        )
        yield


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def stored() -> dict[str, Any]:
    value = boto3.client("ssm").get_parameter(Name=NAME)["Parameter"]["Value"]
    document: dict[str, Any] = json.loads(value)
    return document


def test_what_is_added_is_watched_until_it_is_removed() -> None:
    assert run("watch", "add", "acme/a", "acme/b", "--settle-seconds", "60").exit_code == 0
    added = run("watch", "add", "other/*", "acme/a", "--licence", "mit", "--except", "other/x")
    assert added.output == "model-import imports releases of acme/a, acme/b, other/*\n"
    assert stored() == {
        "watch": ["acme/a", "acme/b", "other/*"],
        "settle_seconds": 60,
        "licences": ["mit"],
        "except": ["other/x"],
    }
    assert json.loads(run("watch", "list").output) == stored()

    assert run("watch", "remove", "acme/a", "acme/b").exit_code == 0
    assert stored()["watch"] == ["other/*"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["add", "no-organisation"], "policy is not valid"),
        (["add", "acme/a", "--settle-seconds", "-1"], "settle_seconds"),
        (["add", "acme/a", "--stack", "other"], "does not exist"),
        (["remove", "acme/a"], "acme/a is not watched. The policy watches nothing."),
    ],
)
def test_what_cannot_be_stored_changes_nothing_and_is_told(
    arguments: list[str], words: str
) -> None:
    before = stored()

    result = run("watch", *arguments)

    assert result.exit_code == 1
    assert words in result.output
    assert stored() == before


def test_a_damaged_policy_is_told_and_not_written_over() -> None:
    boto3.client("ssm").put_parameter(Name=NAME, Value="{", Type="String", Overwrite=True)

    for arguments in (["add", "acme/a"], ["list"], ["explain", SHIPPED]):
        result = run("watch", *arguments)
        assert result.exit_code == 1
        assert "not JSON" in result.output


def test_a_policy_that_is_gone_is_written_anew() -> None:
    boto3.client("ssm").delete_parameter(Name=NAME)

    run("watch", "add", "acme/a")

    assert stored() == {"watch": ["acme/a"], "settle_seconds": 600}


def test_explain_says_what_would_be_imported_under_which_name() -> None:
    run("watch", "add", "model-import/*")

    result = run("watch", "explain", SHIPPED, "--json")

    judgement = json.loads(result.output)
    assert result.exit_code == 0
    assert judgement["outcome"] == "wanted"
    assert judgement["execution_name"].startswith("model-import-Tiny-Quiz-Llama-Instruct-")


def test_explain_says_every_reason_against_a_release() -> None:
    run("watch", "add", "model-import/*", "--bytes-at-most", "1", "--model-type", "mistral")
    run("watch", "add", "model-import/*", "--licence", "apache-2.0")
    run("watch", "add", "model-import/*", "--usd-per-active-hour-at-most", "0.1")

    result = run("watch", "explain", SHIPPED)

    assert result.exit_code == 1
    for words in ("refused", "the model_type is llama", "the weights have", "an active hour"):
        assert words in result.output
    assert "accepts mistral" in result.output


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        ([SHIPPED], 1, "is not watched: the policy watches acme/*"),
        (["acme/missing"], 2, "RepositoryNotFoundError"),
        (["nonsense"], 2, "InvalidInputError"),
    ],
)
def test_explain_tells_a_refusal_from_what_cannot_be_judged(
    arguments: list[str], exit_code: int, words: str
) -> None:
    run("watch", "add", "acme/*")

    result = run("watch", "explain", *arguments)

    assert result.exit_code == exit_code
    assert words in result.output


def test_explain_says_that_a_commit_was_left_behind() -> None:
    run("watch", "add", "model-import/*")

    result = run("watch", "explain", SHIPPED, "--revision", "f" * 40)

    assert result.exit_code == 1
    assert "superseded" in result.output


@pytest.fixture
def posted() -> Iterator[list[httpx2.Request]]:
    requests: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        asked = json.loads(request.content)
        if request.headers["Authorization"] != "Bearer hf_writes":
            return httpx2.Response(403, json={"error": "no"}, request=request)
        made = {"id": "1", "disabled": False, **asked}
        return httpx2.Response(200, json={"webhook": made}, request=request)

    set_client_factory(lambda: httpx2.Client(transport=httpx2.MockTransport(answer)))
    yield requests
    close_session()
    set_client_factory(httpx2.Client)


def test_the_webhook_is_registered_for_what_is_watched_and_its_secret_stays_unseen(
    posted: list[httpx2.Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_writes")
    run("watch", "add", "acme/a", "other/*", "other/x", "someone/*")

    result = run("webhook", "create", "--user", "someone")

    (request,) = posted
    assert json.loads(request.content) == {
        "url": URL,
        "watched": [
            {"type": "model", "name": "acme/a"},
            {"type": "org", "name": "other"},
            {"type": "user", "name": "someone"},
        ],
        "domains": ["repo"],
        "secret": SECRET,
    }
    assert result.exit_code == 0
    assert SECRET not in result.output


def test_a_webhook_that_the_hub_refuses_is_told_without_the_secret(
    posted: list[httpx2.Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_reads")
    run("watch", "add", "acme/a")

    result = run("webhook", "create")

    assert posted
    assert result.exit_code == 1
    assert "The Hub refused the webhook" in result.output
    assert SECRET not in result.output


@pytest.mark.parametrize(("token", "words"), [("", "HF_TOKEN"), ("hf_x", "watches nothing")])
def test_a_webhook_for_nothing_or_by_nobody_is_not_asked_for(
    posted: list[httpx2.Request], monkeypatch: pytest.MonkeyPatch, token: str, words: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)

    result = run("webhook", "create")

    assert result.exit_code == 1
    assert words in result.output
    assert not posted
