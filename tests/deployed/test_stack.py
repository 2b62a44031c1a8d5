"""What only a real account can show: the definition, its Retry and Catch, and one whole import."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

import boto3
import pytest
import yaml

from local.deployment.stack import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.worlds.deployed_stack import DeployedStack

SMALL_MODEL: Final = "HuggingFaceTB/SmolLM2-135M-Instruct"
"""A public Llama of 0.3 GB."""
# https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct, 2026-11-24

IMPORT_SECONDS_AT_MOST: Final = 4 * 3600
DEFINITION: Final = ROOT / "statemachine" / "model_import.asl.yaml"
VARIABLES: Final = {
    "plan": {
        "repo_id": "a/b",
        "commit": "c",
        "model_name": "m",
        "job_name": "j",
        "tags": [],
        "smoke_test": {},
        "figures": {"context_length": 1},
    },
    "manifest_uri": "s3://b/m",
    "s3_uri": "s3://b/models/",
    "model_arn": "arn",
    "slices": [],
    "job": {"ImportedModelArn": "arn", "JobArn": "arn", "Status": "Completed"},
    "smoke_test": {"answer": "a"},
    "failure": {"Error": "E", "Cause": "c"},
}


def rules() -> Iterator[tuple[str, str, int]]:
    """Yield each state, each error that a Retry of it names, and how often that is tried again."""
    for name, state in yaml.safe_load(DEFINITION.read_text(encoding="utf-8"))["States"].items():
        if state["Type"] == "Task":
            for rule in state["Retry"]:
                for error in rule["ErrorEquals"]:
                    if error != "States.TaskFailed":
                        yield name, error, rule["MaxAttempts"]


def test_step_functions_finds_no_error_in_the_definition(deployed: DeployedStack) -> None:
    found = boto3.client("stepfunctions").validate_state_machine_definition(
        definition=deployed.state_machine()["definition"], type="STANDARD", severity="ERROR"
    )

    assert (found["result"], found["diagnostics"]) == ("OK", [])


@pytest.mark.parametrize(("name", "error", "attempts"), list(rules()))
def test_an_error_is_tried_again_as_often_as_the_state_says_and_then_caught(
    deployed: DeployedStack, name: str, error: str, attempts: int
) -> None:
    state = json.loads(deployed.state_machine()["definition"])["States"][name]
    client = boto3.client("stepfunctions")

    def status_after(tries: int) -> str:
        return client.test_state(
            definition=json.dumps({"QueryLanguage": "JSONata", **state}),
            input="{}",
            variables=json.dumps(VARIABLES),
            mock={"errorOutput": {"error": error, "cause": "made to fail"}},
            stateConfiguration={"retrierRetryCount": tries},
        )["status"]

    if attempts:
        assert status_after(0) == "RETRIABLE"
    assert status_after(attempts) == "CAUGHT_ERROR"


def test_a_small_public_model_is_imported_and_answers(deployed: DeployedStack) -> None:
    client = boto3.client("stepfunctions")
    execution = client.start_execution(
        stateMachineArn=deployed.outputs["StateMachineArn"],
        input=json.dumps({"repo_id": SMALL_MODEL, "tags": {"purpose": "test"}}),
    )["executionArn"]
    deadline = time.monotonic() + IMPORT_SECONDS_AT_MOST
    described: Any = client.describe_execution(executionArn=execution)
    while described["status"] == "RUNNING" and time.monotonic() < deadline:
        time.sleep(30)
        described = client.describe_execution(executionArn=execution)

    assert described["status"] == "SUCCEEDED", described.get("cause")
    output = json.loads(described["output"])
    assert output["smoke_test"]["answer"]
    boto3.client("bedrock").delete_imported_model(modelIdentifier=output["model_arn"])
