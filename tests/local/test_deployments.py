"""The template in a local AWS, with every kind of network, key, image and token."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast
from unittest import mock

import boto3
import jsonata
import pytest
import urllib3
from botocore.validate import ParamValidator
from moto.cloudformation.models import cloudformation_backends
from moto.cloudformation.parsing import get_model_map, get_name_type_map
from moto.core.common_models import CloudFormationModel

from local.aws.account import ACCOUNT_ID, Account
from local.aws.aws_server import AwsServer
from local.aws.moto_engine import Pace, executing_engine
from local.deployment.stack import deploy, read_template
from model_import.bedrock.rules import bedrock_rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_ec2 import EC2Client

    from local.deployment.stack import Stack

# moto passes over the alias that SAM makes, and says so.
pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse AWS..Lambda..Alias")

PROXY: Final = "http://proxy.example:3128"
KEYS: Final = {
    name: f"arn:aws:kms:us-east-1:{ACCOUNT_ID}:key/{name}"
    for name in ("StagingKeyArn", "ModelKeyArn", "LogKeyArn")
}
IMAGE: Final = "registry.example/transfer-model:1"
BUILT: Final = "123456789012.dkr.ecr.us-east-1.amazonaws.com/image@sha256:" + "0" * 64
VERSION_ARN: Final = f"arn:aws:lambda:us-east-1:{ACCOUNT_ID}:function:build:1"
SECRET: Final = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT_ID}:secret:hub-token"
# (network, keys, image is built, token): each pair of choices is met.
COMBINATIONS: Final = [
    ("own", False, True, True),
    ("own", True, False, False),
    ("given", False, False, True),
    ("given", True, True, False),
    ("private", False, True, False),
    ("private", True, False, True),
]


def network_parameters(ec2: EC2Client, network: str) -> dict[str, str]:
    """Return the parameters of a network, whose parts there are."""
    if network == "own":
        return {}
    vpc_id = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnets = ",".join(
        ec2.create_subnet(VpcId=vpc_id, CidrBlock=f"10.1.{number}.0/24")["Subnet"]["SubnetId"]
        for number in range(2)
    )
    group = ec2.create_security_group(GroupName="tasks", Description="tasks", VpcId=vpc_id)
    given = {"SubnetIds": subnets, "SecurityGroupIds": group["GroupId"]}
    if network == "given":
        return given
    route_table = ec2.create_route_table(VpcId=vpc_id)["RouteTable"]["RouteTableId"]
    return given | {
        "EndpointVpcId": vpc_id,
        "EndpointRouteTableIds": route_table,
        "HttpsProxy": PROXY,
        "ImportSubnetIds": subnets,
        "ImportSecurityGroupIds": group["GroupId"],
    }


class Project(CloudFormationModel):
    """A project of CodeBuild, which moto has and its CloudFormation has not."""

    def __init__(self, name: str) -> None:
        self.physical_resource_id = name

    @staticmethod
    def cloudformation_name_type() -> str:
        return "Name"

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::CodeBuild::Project"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, *_: object, **__: object
    ) -> Project:
        return cls(resource_name)

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr == "Arn"

    def get_cfn_attribute(self, attribute_name: str) -> str:
        assert attribute_name == "Arn"
        return f"arn:aws:codebuild:us-east-1:{ACCOUNT_ID}:project/{self.physical_resource_id}"


def check_parameters(arguments: dict[str, Any]) -> None:
    """Have botocore check what is sent, in the spelling of the service."""
    bedrock = boto3.client("bedrock", region_name="us-east-1")
    shape = bedrock.meta.service_model.operation_model("CreateModelImportJob").input_shape
    assert shape is not None
    report = ParamValidator().validate(spelt(arguments), shape)
    assert not report.has_errors(), report.generate_report()


def spelt(value: Any) -> Any:  # noqa: ANN401 any JSON value
    if isinstance(value, dict):
        return {name[0].lower() + name[1:]: spelt(item) for name, item in value.items()}
    return value


@dataclass(frozen=True)
class Deployed:
    """A stack, with the parameters that it has and what its custom resource was asked for."""

    account: Account
    stack: Stack
    choices: tuple[str, bool, bool, bool]
    parameters: dict[str, str]
    requests: list[dict[str, Any]]

    @property
    def network(self) -> str:
        return self.choices[0]

    @property
    def keys(self) -> bool:
        return self.choices[1]

    @property
    def builds_image(self) -> bool:
        return self.choices[2]

    @property
    def has_token(self) -> bool:
        return self.choices[3]

    def task_definition(self) -> dict[str, Any]:
        """Return the task definition of the transfer."""
        ecs = self.account.client("ecs")
        (arn,) = ecs.list_task_definitions()["taskDefinitionArns"]
        definition: dict[str, Any] = ecs.describe_task_definition(taskDefinition=arn)
        return cast("dict[str, Any]", definition["taskDefinition"])

    def states(self) -> dict[str, Any]:
        """Return the states of the deployed state machine."""
        client = self.account.client("stepfunctions")
        described = client.describe_state_machine(stateMachineArn=self.stack.state_machine_arn)
        return cast("dict[str, Any]", json.loads(described["definition"])["States"])

    def run_task_arguments(self) -> dict[str, Any]:
        """Return what RunTask is called with."""
        inner = self.states()["Transfer Weights"]["ItemProcessor"]["States"]
        return cast("dict[str, Any]", inner["Transfer Slice"]["Arguments"])

    def import_arguments(self) -> dict[str, Any]:
        """Return what CreateModelImportJob is called with, for a plan that is made up."""
        expression = self.states()["Start Import"]["Arguments"]
        evaluated = jsonata.Jsonata(expression.removeprefix("{%").removesuffix("%}"))
        evaluated.assign("plan", {"model_name": "model", "tags": []})
        evaluated.assign("job_name", "job")
        evaluated.assign("s3_uri", "s3://bucket/models/")
        arguments: dict[str, Any] = evaluated.evaluate(None)
        check_parameters(arguments)
        return arguments


@pytest.fixture(scope="module")
def server() -> Iterator[AwsServer]:
    with AwsServer() as server, executing_engine(Pace(), server.endpoint):
        yield server


def answer(requests: list[dict[str, Any]]) -> Any:  # noqa: ANN401 a method of moto's
    """Return what answers a custom resource in place of a function, which would need Docker."""

    def invoke(_function: object, body: str, *_: object) -> tuple[str, bool, str]:
        request = json.loads(body)
        requests.append(request)
        backend = cloudformation_backends[ACCOUNT_ID]["us-east-1"]
        stack = backend.get_stack(request["StackId"])
        stack.get_custom_resource(request["LogicalResourceId"]).set_data({"ImageUri": BUILT})
        return "", False, ""

    return invoke


class AtOnce:
    """A thread that has run when it is started."""

    def __init__(self, target: Any, args: tuple[Any, ...]) -> None:  # noqa: ANN401
        self.start = lambda: target(*args)


@pytest.fixture(
    scope="module",
    params=COMBINATIONS,
    ids=lambda chosen: "-".join(
        [
            chosen[0],
            "keys" if chosen[1] else "no_keys",
            "built" if chosen[2] else "image",
            "token" if chosen[3] else "no_token",
        ]
    ),
)
def deployed(server: AwsServer, request: pytest.FixtureRequest) -> Deployed:
    network, keys, builds_image, has_token = request.param
    urllib3.request("POST", f"{server.endpoint}/moto-api/reset", timeout=None)
    account = Account(server.endpoint)
    parameters = network_parameters(account.client("ec2"), network)
    parameters |= KEYS if keys else {}
    parameters |= {} if builds_image else {"TransferImageUri": IMAGE}
    parameters |= {"HubTokenSecretArn": SECRET} if has_token else {}
    requests: list[dict[str, Any]] = []
    with (
        mock.patch.dict(get_model_map(), {Project.cloudformation_type(): Project}),
        mock.patch.dict(get_name_type_map(), {Project.cloudformation_type(): "Name"}),
        mock.patch("moto.awslambda.models.LambdaFunction.invoke", answer(requests)),
        mock.patch(
            "moto.awslambda.models.LambdaVersion.physical_resource_id", VERSION_ARN, create=True
        ),
        mock.patch("moto.cloudformation.custom_model.threading", SimpleNamespace(Thread=AtOnce)),
        # It would ask Docker where it runs.
        mock.patch("moto.cloudformation.custom_model.settings", mock.MagicMock()),
    ):
        stack = deploy(account, "model-import", parameters, {})
    return Deployed(account, stack, request.param, parameters, requests)


def test_the_tasks_run_the_image_by_its_digest_or_the_one_that_is_given(deployed: Deployed) -> None:
    (container,) = deployed.task_definition()["containerDefinitions"]

    assert container["image"] == (BUILT if deployed.builds_image else IMAGE)
    assert container["readonlyRootFilesystem"]
    assert [request["RequestType"] for request in deployed.requests] == (
        ["Create"] if deployed.builds_image else []
    )
    repositories = deployed.account.client("ecr").describe_repositories()["repositories"]
    assert len(repositories) == deployed.builds_image
    assert all(repository["imageTagMutability"] == "IMMUTABLE" for repository in repositories)


def test_the_tasks_run_where_they_were_told_to(deployed: Deployed) -> None:
    network = deployed.run_task_arguments()["NetworkConfiguration"]["AwsvpcConfiguration"]
    own = deployed.network == "own"
    endpoints = deployed.account.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    services = {
        endpoint["ServiceName"].removeprefix("com.amazonaws.us-east-1.") for endpoint in endpoints
    }

    assert network["AssignPublicIp"] == ("ENABLED" if own else "DISABLED")
    if not own:
        assert deployed.parameters["SubnetIds"] in network["Subnets"]
        assert deployed.parameters["SecurityGroupIds"] in network["SecurityGroups"]
    assert (
        services
        == {
            "own": {"s3"},
            "given": set(),
            "private": {"s3", "ecr.api", "ecr.dkr", "logs", "states"}
            | ({"secretsmanager"} if deployed.has_token else set()),
        }[deployed.network]
    )


def test_a_proxy_reaches_the_tasks_and_aws_is_reached_without_it(deployed: Deployed) -> None:
    (container,) = deployed.task_definition()["containerDefinitions"]
    environment = {entry["name"]: entry["value"] for entry in container["environment"]}

    assert environment["HTTPS_PROXY"] == deployed.parameters.get("HttpsProxy", "")
    assert environment["NO_PROXY"] == ".amazonaws.com,169.254.170.2"


def test_an_import_has_the_key_and_the_network_that_were_given(deployed: Deployed) -> None:
    arguments = deployed.import_arguments()

    assert arguments.get("ImportedModelKmsKeyId") == deployed.parameters.get("ModelKeyArn")
    if deployed.network == "private":
        assert arguments["VpcConfig"] == {
            "SubnetIds": deployed.parameters["ImportSubnetIds"].split(","),
            "SecurityGroupIds": [deployed.parameters["ImportSecurityGroupIds"]],
        }
    else:
        assert "VpcConfig" not in arguments


def test_the_bucket_has_the_key_that_was_given(deployed: Deployed) -> None:
    s3 = deployed.account.client("s3")
    bucket = deployed.stack.outputs["StagingBucketName"]
    encryption = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
    rule = encryption["Rules"][0]["ApplyServerSideEncryptionByDefault"]

    assert rule.get("KMSMasterKeyID") == deployed.parameters.get("StagingKeyArn")
    assert rule["SSEAlgorithm"] == ("aws:kms" if deployed.keys else "AES256")


def test_there_is_a_topic_and_sns_encrypts_it(deployed: Deployed) -> None:
    topic = deployed.stack.outputs["AnnouncementTopicArn"]
    described = deployed.account.client("sns").get_topic_attributes(TopicArn=topic)

    assert described["Attributes"]["KmsMasterKeyId"] == "alias/aws/sns"


def test_a_mail_address_and_a_channel_are_told_where_they_are_given() -> None:
    template = read_template()
    mail = template["Resources"]["AnnouncementEmailSubscription"]
    channel = template["Resources"]["AnnouncementChannel"]

    assert mail["Condition"] == "HasAnnouncementEmail"
    assert mail["Properties"] == {
        "TopicArn": {"Ref": "AnnouncementTopic"},
        "Protocol": "email",
        "Endpoint": {"Ref": "AnnouncementEmail"},
    }
    assert channel["Condition"] == "HasSlackChannel"
    assert channel["Properties"]["SnsTopicArns"] == [{"Ref": "AnnouncementTopic"}]


def test_every_group_of_logs_takes_the_key_and_ends_some_day() -> None:
    groups = [
        resource["Properties"]
        for resource in read_template()["Resources"].values()
        if resource["Type"] == "AWS::Logs::LogGroup"
    ]

    assert len(groups) == 5
    for group in groups:
        assert group["KmsKeyId"]["Fn::If"][:2] == ["HasLogKey", {"Ref": "LogKeyArn"}]
        assert group["RetentionInDays"]


def statements_of(document: Any) -> list[dict[str, Any]]:  # noqa: ANN401 moto's
    # What comes by a role's own properties, moto keeps as Python writes it.
    parsed = ast.literal_eval(document) if isinstance(document, str) else document
    statements: list[dict[str, Any]] = parsed["Statement"]
    return statements


def test_the_repository_scans_what_is_pushed_and_goes_with_its_images() -> None:
    repository = read_template()["Resources"]["TransferImageRepository"]["Properties"]
    (rule,) = json.loads(repository["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]

    assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}
    assert repository["EmptyOnDelete"]
    assert rule["action"] == {"type": "expire"}


def test_a_role_may_use_a_key_or_the_secret_only_where_there_is_one(deployed: Deployed) -> None:
    iam = deployed.account.client("iam")
    granted = [
        (statement["Sid"], statement["Resource"])
        for role in iam.list_roles()["Roles"]
        for name in iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
        for statement in statements_of(
            iam.get_role_policy(RoleName=role["RoleName"], PolicyName=name)["PolicyDocument"]
        )
        if "kms:" in str(statement["Action"]) or "secretsmanager:" in str(statement["Action"])
    ]
    keys = {KEYS["StagingKeyArn"], KEYS["ModelKeyArn"]} if deployed.keys else set()

    assert {resource for _, resource in granted} == keys | (
        {SECRET} if deployed.has_token else set()
    )


def test_what_approval_needs_is_there_only_where_it_is_asked_for(deployed: Deployed) -> None:
    needed = {
        name: resource
        for name, resource in read_template()["Resources"].items()
        if "Approval" in name
    }

    assert len(needed) == 4
    assert {resource["Condition"] for resource in needed.values()} == {"HasApproval"}
    assert not deployed.account.client("dynamodb").list_tables()["TableNames"]
    assert not [name for name in deployed.stack.functions if "Approval" in name]


def test_the_rule_of_regions_is_that_of_the_import() -> None:
    (assertion,) = read_template()["Rules"]["RegionHasCustomModelImport"]["Assertions"]
    regions, region = assertion["Assert"]["Fn::Contains"]

    assert region == {"Ref": "AWS::Region"}
    assert tuple(regions) == bedrock_rules().regions
    assert all(name in assertion["AssertDescription"] for name in regions)


def test_every_parameter_is_asked_for_in_one_group() -> None:
    template = read_template()
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]

    assert sorted(grouped) == sorted(template["Parameters"])


def test_every_parameter_of_text_has_a_pattern_or_a_choice_and_its_default_passes() -> None:
    for name, parameter in read_template()["Parameters"].items():
        if parameter["Type"] == "Number":
            assert "MinValue" in parameter, name
        elif "AllowedValues" in parameter:
            assert parameter["Default"] in parameter["AllowedValues"], name
        else:
            assert re.fullmatch(parameter["AllowedPattern"], parameter["Default"]), name
            assert parameter["ConstraintDescription"], name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HubEndpoint", "huggingface.co"),
        ("HubTokenSecretArn", "hf_token"),
        ("SubnetIds", "vpc-00000001"),
        ("SecurityGroupIds", "default"),
        ("TransferImageUri", "an image"),
        ("TransferImageUri", "image@sha256:abc"),
        ("EndpointVpcId", "subnet-00000001"),
        ("HttpsProxy", "http://user:password@proxy.example:3128"),
        ("NoProxy", "a, b"),
        ("StagingKeyArn", "alias/key"),
        ("ModelKeyArn", "1234"),
        ("PermissionsBoundaryArn", "boundary"),
        ("AnnouncementEmail", "ml at example.com"),
        ("SlackWorkspaceId", "my-team"),
        ("SlackChannelId", "#models"),
    ],
)
def test_what_a_parameter_cannot_be_is_refused_before_anything_is_made(
    name: str, value: str
) -> None:
    assert not re.fullmatch(read_template()["Parameters"][name]["AllowedPattern"], value)
