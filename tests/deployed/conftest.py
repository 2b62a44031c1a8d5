"""These tests need an account with the stack in it, and cost what one small import costs."""

from __future__ import annotations

import os

import boto3
import pytest
from support.worlds.deployed_stack import DeployedStack


@pytest.fixture(scope="session")
def deployed() -> DeployedStack:
    name = os.environ.get("MODEL_IMPORT_STACK")
    if not name:
        pytest.skip("no account: deploy the stack, then make test-aws STACK=its-name")
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    return DeployedStack(
        {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    )
