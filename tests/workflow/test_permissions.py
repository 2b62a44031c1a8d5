"""Every role may do what its code, its states or its service does, and nothing else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml
from workflow.called_actions import LOG_DELIVERY, TRACING, actions_of_code, actions_of_states

from local.deployment.stack import ROOT, TEMPLATE, read_template, translate

if TYPE_CHECKING:
    from collections.abc import Iterator

FUNCTIONS: Final = ROOT / "functions"

# S3 answers 403, not 404, for an object that is not there to whoever may not list.
TELL_MISSING: Final = {"s3:ListBucket"}
CODE: Final[dict[str, tuple[str, set[str]]]] = {
    "ValidateRepositoryFunctionRole": ("validate_repository.app", set()),
    "PrepareRepositoryFunctionRole": ("prepare_repository.app", set()),
    "ClaimImportFunctionRole": ("claim_import.app", TELL_MISSING),
    "VerifyTransferFunctionRole": ("verify_transfer.app", set()),
    "SmokeTestFunctionRole": ("smoke_test.app", TELL_MISSING),
    "ReceiveWebhookFunctionRole": ("receive_webhook.app", set()),
    # What the batch writer of boto3's table does.
    "WatchReleasesFunctionRole": ("watch_releases.app", {"dynamodb:BatchWriteItem"}),
    "JudgeReleaseFunctionRole": ("judge_release.app", set()),
    "AnnounceImportFunctionRole": ("announce_import.app", set()),
    "RequestApprovalFunctionRole": ("request_approval.app", set()),
    "DecideApprovalFunctionRole": ("decide_approval.app", set()),
    "BuildTransferImageFunctionRole": ("build_transfer_image.app", set()),
    "TransferTaskRole": ("transfer_model.__main__", TELL_MISSING),
}
"""The roles of this project's code: where it begins, and what its calls need besides."""

WRITE_LOGS: Final = {"logs:CreateLogStream", "logs:PutLogEvents"}
PULL_IMAGE: Final = {
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetAuthorizationToken",
    "ecr:GetDownloadUrlForLayer",
}
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html
PUSH_IMAGE: Final = {
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:GetAuthorizationToken",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
}
# https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html, 2026-11-24
READ_THROUGH_VPC: Final = {
    f"ec2:{action}"
    for action in (
        "CreateNetworkInterface",
        "CreateNetworkInterfacePermission",
        "CreateTags",
        "DeleteNetworkInterface",
        "DeleteNetworkInterfacePermission",
        "DescribeDhcpOptions",
        "DescribeNetworkInterfaces",
        "DescribeSecurityGroups",
        "DescribeSubnets",
        "DescribeVpcs",
    )
}
# https://docs.aws.amazon.com/bedrock/latest/userguide/vpc-custom-model-import.html, 2026-11-24
USE_MODEL_KEY: Final = {"kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"}
# https://docs.aws.amazon.com/bedrock/latest/userguide/encryption-import-model.html, 2026-11-24
KEY_OF_OBJECTS: Final = {
    "s3:GetObject": {"kms:Decrypt"},
    "s3:PutObject": {"kms:GenerateDataKey"},
    "s3:AbortMultipartUpload": {"kms:Decrypt"},
    "bedrock:InvokeModel": {"kms:Decrypt"},
}
"""What a key of the deployer's asks besides: to put in parts is to decrypt, too."""
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html, 2026-11-24
SERVICES: Final = {
    "TransferExecutionRole": WRITE_LOGS | PULL_IMAGE,
    # https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html
    "TransferImageBuildRole": {"s3:GetObject", "s3:GetObjectVersion", "kms:Decrypt"}
    | WRITE_LOGS
    | PUSH_IMAGE,
    # https://docs.aws.amazon.com/bedrock/latest/userguide/model-import-iam-role.html
    "ModelImportRole": {"s3:GetObject", "s3:ListBucket", "kms:Decrypt"} | READ_THROUGH_VPC,
    # SAM's: what the rule for released models starts, and what the schedule invokes.
    "ModelReleaseStateMachineModelReleasedRole": {"states:StartExecution"},
    "WatchReleasesFunctionScheduleRole": {"lambda:InvokeFunction"},
    # https://docs.aws.amazon.com/chatbot/latest/adminguide/understanding-permissions.html: what a
    # role gives, members of the channel may do. Messages need nothing of it.
    "AnnouncementChannelRole": set(),
}
"""The roles that a service of AWS takes on, with what it documents."""

OWN_SECRETS: Final = {
    "ReceiveWebhookFunctionRole": "WebhookSecret",
    "RequestApprovalFunctionRole": "ApprovalSecret",
    "DecideApprovalFunctionRole": "ApprovalSecret",
}
"""Which secret of the stack's own a role reads; any other reads the Hub's token."""

OF_SAM: Final = {"ModelReleaseStateMachineModelReleasedRole", "WatchReleasesFunctionScheduleRole"}
"""Roles that SAM writes itself, without names and conditions."""

MACHINES: Final = {
    "StateMachineRole": ("ModelImportStateMachine", USE_MODEL_KEY),
    "ReleaseStateMachineRole": ("ModelReleaseStateMachine", set[str]()),
}
"""The roles of state machines: which one's, and what its calls need besides."""

EVERYTHING_ON: Final = {
    "ImportApproval": "ENABLED",
    "ReleaseWebhook": "ENABLED",
    "WatchSchedule": "rate(15 minutes)",
    "TransferImageUri": "",
    "HubTokenSecretArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:hub",
    "StagingKeyArn": "arn:aws:kms:us-east-1:123456789012:key/1",
    "ModelKeyArn": "arn:aws:kms:us-east-1:123456789012:key/2",
    "ImportSubnetIds": "subnet-00000001",
    "ImportSecurityGroupIds": "sg-00000001",
    "SlackWorkspaceId": "T0123456789",
    "SlackChannelId": "C0123456789",
}


def resources() -> dict[str, dict[str, Any]]:
    template = read_template()
    parameters = {
        name: str(parameter["Default"])
        for name, parameter in template["Parameters"].items()
        if "Default" in parameter
    }
    translated = translate(template, parameters | EVERYTHING_ON, "us-east-1")
    found: dict[str, dict[str, Any]] = translated["Resources"]
    return found


RESOURCES: Final = resources()
ROLES: Final = [name for name, item in RESOURCES.items() if item["Type"] == "AWS::IAM::Role"]


def statements(role: str) -> Iterator[dict[str, Any]]:
    """Yield the statements of a role: its own, and those of policies that are attached to it."""
    policies = list(RESOURCES[role]["Properties"].get("Policies", []))
    policies += [
        resource["Properties"]
        for resource in RESOURCES.values()
        if resource["Type"] == "AWS::IAM::Policy"
        and {"Ref": role} in resource["Properties"]["Roles"]
    ]
    for policy in policies:
        yield from policy["PolicyDocument"]["Statement"]


def listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def allowed(role: str) -> set[str]:
    granted = list(statements(role))
    assert {statement["Effect"] for statement in granted} <= {"Allow"}
    assert not [statement for statement in granted if "NotAction" in statement]
    return {action for statement in granted for action in listed(statement["Action"])}


def states(name: str) -> dict[str, dict[str, Any]]:
    machine = read_template()["Resources"][name]["Properties"]
    definition = ROOT / machine["DefinitionUri"]
    text = re.sub(r"\$\{(\w+)\}", "1", definition.read_text(encoding="utf-8"))
    assert machine["Logging"]
    assert machine["Tracing"]["Enabled"]
    outer = yaml.safe_load(text)["States"]
    inner = [
        state["ItemProcessor"]["States"] for state in outer.values() if "ItemProcessor" in state
    ]
    return {name: state for group in (outer, *inner) for name, state in group.items()}


def test_every_role_is_accounted_for() -> None:
    assert sorted(ROLES) == sorted({*CODE, *SERVICES, *MACHINES})


@pytest.mark.parametrize("role", CODE)
def test_the_role_of_code_allows_exactly_what_the_code_calls(role: str) -> None:
    entry, besides = CODE[role]

    called = actions_of_code(FUNCTIONS, entry) | besides
    with_keys = {key for action in called for key in KEY_OF_OBJECTS.get(action, ())}

    assert allowed(role) == called | with_keys


@pytest.mark.parametrize("role", MACHINES)
def test_the_role_of_a_state_machine_allows_exactly_what_its_states_call(role: str) -> None:
    machine, besides = MACHINES[role]

    called = actions_of_states(states(machine))

    assert allowed(role) == called | LOG_DELIVERY | TRACING | besides


@pytest.mark.parametrize("role", SERVICES)
def test_the_role_of_a_service_allows_exactly_what_the_service_documents(role: str) -> None:
    assert allowed(role) == SERVICES[role]


@pytest.mark.parametrize("role", ROLES)
def test_what_aws_manages_is_for_logs_and_traces_alone(role: str) -> None:
    managed = RESOURCES[role]["Properties"].get("ManagedPolicyArns", [])

    assert {str(arn).rpartition("/")[2] for arn in managed} <= {
        "AWSLambdaBasicExecutionRole",
        "AWSXrayWriteOnlyAccess",
    }


@pytest.mark.parametrize("role", ROLES)
def test_no_action_has_a_wildcard_and_no_statement_is_without_a_name(role: str) -> None:
    for statement in statements(role):
        assert not [action for action in listed(statement["Action"]) if "*" in action]
        assert statement.get("Sid") or role in OF_SAM


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_passed_by_arn_and_to_one_service(role: str) -> None:
    for statement in statements(role):
        if "iam:PassRole" in listed(statement["Action"]):
            assert statement["Action"] == "iam:PassRole"
            assert all(next(iter(arn)) == "Fn::GetAtt" for arn in listed(statement["Resource"]))
            assert isinstance(statement["Condition"]["StringEquals"]["iam:PassedToService"], str)


@pytest.mark.parametrize("role", ROLES)
def test_s3_is_this_stacks_bucket_and_no_whole_bucket_is_listed(role: str) -> None:
    for statement in statements(role):
        if not str(listed(statement["Action"])[0]).startswith("s3:"):
            continue
        assert all("StagingBucket" in str(resource) for resource in listed(statement["Resource"]))
        if "s3:ListBucket" in listed(statement["Action"]):
            assert statement["Action"] == "s3:ListBucket"
            prefixes = set(listed(statement["Condition"]["StringLike"]["s3:prefix"]))
            assert prefixes <= {"claims/*", "models/*", "imports/*", "unverified/*"}


def test_a_key_is_used_by_its_arn_and_only_where_it_is_given() -> None:
    for name, resource in RESOURCES.items():
        if resource["Type"] in {"AWS::IAM::Role", "AWS::IAM::Policy"}:
            keys = re.findall(r"'Ref': '(\w+KeyArn)'", str(resource["Properties"]))
            uses = "kms:" in str(resource["Properties"])
            assert uses == bool(keys), name
            condition = str(resource.get("Condition"))
            assert not keys or condition.endswith(keys[0].removesuffix("Arn"))


def test_whoever_reads_a_secret_reads_the_one_that_it_needs_and_no_other() -> None:
    for role in ROLES:
        secret = OWN_SECRETS.get(role, "HubTokenSecretArn")
        for statement in statements(role):
            if "secretsmanager:GetSecretValue" in listed(statement["Action"]):
                assert statement["Resource"] == {"Ref": secret}


def test_every_resource_that_is_a_wildcard_has_a_reason_before_its_statement() -> None:
    lines = TEMPLATE.read_text(encoding="utf-8").splitlines()
    wildcards = [
        number
        for number, line in enumerate(lines)
        if re.search(r"Resource: '\*'|repository/\*$", line) and "Deny" not in line
    ]

    assert wildcards
    for number in wildcards:
        start = max(at for at in range(number) if lines[at].strip().startswith("- Sid:"))
        assert lines[start - 1].strip().startswith("#"), "\n".join(lines[start : number + 1])


@pytest.mark.parametrize(
    "role", [role for role in ROLES if role not in CODE or "Function" not in role]
)
def test_a_service_takes_on_a_role_for_this_account_only(role: str) -> None:
    if role in OF_SAM:
        return
    (statement,) = RESOURCES[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]

    assert isinstance(statement["Principal"]["Service"], str)
    account = statement["Condition"]["StringEquals"]["aws:SourceAccount"]
    assert account == {"Ref": "AWS::AccountId"}


def test_nothing_may_be_done_from_the_channel() -> None:
    channel = RESOURCES["AnnouncementChannel"]["Properties"]
    guardrails = [policy["Fn::Sub"].rpartition("/")[2] for policy in channel["GuardrailPolicies"]]

    assert guardrails == ["AWSDenyAll"]
    assert "ManagedPolicyArns" not in RESOURCES["AnnouncementChannelRole"]["Properties"]


def test_bedrock_takes_on_its_role_for_import_jobs_only() -> None:
    (statement,) = RESOURCES["ModelImportRole"]["Properties"]["AssumeRolePolicyDocument"][
        "Statement"
    ]

    assert statement["Principal"] == {"Service": "bedrock.amazonaws.com"}
    assert str(statement["Condition"]["ArnEquals"]["aws:SourceArn"]).endswith(
        ":model-import-job/*'}"
    )
