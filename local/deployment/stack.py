"""Deploys template.yaml into the local AWS, as `sam deploy` would into an account.

SAM's translator turns the template into CloudFormation, and moto creates its resources.
moto's engine does not see a state machine that CloudFormation created, and moto ignores the
substitutions, so the state machine is created again, with the same ARN, from the definition file.
"""

from __future__ import annotations

import copy
import functools
import io
import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import boto3
import yaml
from moto.cloudformation.models import Stack as MotoStack
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import intrinsics_multi_constructor

from local.aws.cloudformation_gaps import Schedule, replace_unsupported, schedules_of
from local.aws.lambda_functions import LambdaFunction

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

    from local.aws.account import Account

ROOT: Final = Path(__file__).parents[2]
TEMPLATE: Final = ROOT / "template.yaml"
_ARTIFACTS: Final = "sam-artifacts"
_CODE: Final = {"Bucket": _ARTIFACTS, "Key": "functions.zip"}
_MACHINE: Final = "AWS::Serverless::StateMachine"
_SUBSTITUTION: Final = "Substitution"


@dataclass(frozen=True, slots=True)
class Stack:
    """A deployed stack: its outputs, its functions by ARN, and the resources that moto lacks."""

    outputs: dict[str, str]
    functions: dict[str, LambdaFunction]
    schedules: tuple[Schedule, ...]

    @property
    def state_machine_arn(self) -> str:
        """Return the state machine that imports."""
        return self.outputs["StateMachineArn"]

    @property
    def state_machine_arns(self) -> tuple[str, ...]:
        return self.state_machine_arn, self.outputs["ReleaseStateMachineArn"]

    def function(self, name_or_arn: str) -> LambdaFunction | None:
        return next(
            (f for f in self.functions.values() if name_or_arn in (f.name, f.arn)),
            None,
        )


def read_template() -> dict[str, Any]:
    """Return template.yaml with its intrinsic functions in their long form."""
    return copy.deepcopy(_parsed_template(TEMPLATE.read_text(encoding="utf-8")))


@functools.lru_cache(maxsize=1)
def _parsed_template(text: str) -> dict[str, Any]:
    template: dict[str, Any] = yaml.load(text, _TemplateLoader)  # noqa: S506 – a safe loader
    return template


class _TemplateLoader(yaml.CSafeLoader):
    """Reads the short forms of intrinsic functions as SAM does, ten times as fast."""


_TemplateLoader.add_multi_constructor("!", intrinsics_multi_constructor)


def translate(template: dict[str, Any], parameters: dict[str, str], region: str) -> dict[str, Any]:
    """Return the template as SAM translates it to CloudFormation, with parameter values."""
    # The other transform only allows a parameter in a DeletionPolicy, which is replaced here.
    template["Transform"] = "AWS::Serverless-2016-10-31"
    for resource in template["Resources"].values():
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            if isinstance(resource.get(policy), dict):
                resource[policy] = parameters[resource[policy]["Ref"]]
        if resource["Type"] == _MACHINE:
            resource["Properties"]["DefinitionUri"] = f"s3://{_ARTIFACTS}/definition.yaml"
        if resource["Type"] == "AWS::ECR::Repository":
            # moto would generate a name with capitals and then refuse it.
            resource["Properties"]["RepositoryName"] = "transfer-image"
    template["Globals"]["Function"]["CodeUri"] = f"s3://{_CODE['Bucket']}/{_CODE['Key']}"
    session = boto3.Session(region_name=region)
    translator = Translator({}, Parser(), boto_session=session)
    translated: dict[str, Any] = translator.translate(template, parameters, {})
    return translated


def deploy(account: Account, name: str, parameters: dict[str, str], tags: dict[str, str]) -> Stack:
    """Create and return the stack, with its state machines in moto's engine."""
    template = read_template()
    chosen = _default_parameters(template) | parameters
    output_names = list(template["Outputs"])
    definitions = {
        machine: ROOT / resource["Properties"]["DefinitionUri"]
        for machine, resource in template["Resources"].items()
        if resource["Type"] == _MACHINE
    }
    translated = replace_unsupported(translate(template, chosen, account.region), account)
    for machine in definitions:
        _take_definition(translated, machine)
    _upload_code(account)
    cloudformation = account.client("cloudformation")
    # moto would parse the JSON as YAML, which takes a hundred times as long.
    with mock.patch.object(MotoStack, "parse_template", staticmethod(json.loads)):
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=json.dumps(translated),
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value} for key, value in chosen.items()
            ],
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
    outputs = _outputs(cloudformation, name)
    for machine, path in definitions.items():
        prefix = f"{_SUBSTITUTION}{machine}"
        placeholders = {
            key.removeprefix(prefix): value
            for key, value in outputs.items()
            if key.startswith(prefix)
        }
        account.client("stepfunctions").create_state_machine(
            name=placeholders.pop(_ARN).rpartition(":")[2],
            definition=json.dumps(substitute(path.read_text(encoding="utf-8"), placeholders)),
            roleArn=placeholders.pop(_ROLE),
        )
    return Stack(
        outputs={key: outputs[key] for key in output_names if key in outputs},
        functions=_functions(account, cloudformation, name),
        schedules=schedules_of(outputs),
    )


_ARN: Final = "OwnArn"
_ROLE: Final = "OwnRole"


def _take_definition(translated: dict[str, Any], machine: str) -> None:
    """Replace a definition by one that ends at once, and output the real one's substitutions.

    CloudFormation then computes the values of the placeholders.
    """
    properties = translated["Resources"][machine]["Properties"]
    values = properties.pop("DefinitionSubstitutions") | {
        _ARN: {"Ref": machine},
        _ROLE: properties["RoleArn"],
    }
    translated["Outputs"] |= {
        f"{_SUBSTITUTION}{machine}{key}": {"Value": str(value) if isinstance(value, int) else value}
        for key, value in values.items()
    }
    del properties["DefinitionS3Location"]
    properties["DefinitionString"] = '{"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}'


def substitute(definition: str, substitutions: dict[str, str]) -> dict[str, Any]:
    """Return a definition with its placeholders replaced: text first, then YAML, as on AWS."""
    text = re.sub(r"\$\{(\w+)\}", lambda match: substitutions[match[1]], definition)
    parsed: dict[str, Any] = yaml.load(text, yaml.CSafeLoader)
    return parsed


def _default_parameters(template: dict[str, Any]) -> dict[str, str]:
    return {
        name: str(parameter["Default"])
        for name, parameter in template["Parameters"].items()
        if "Default" in parameter
    }


def _upload_code(account: Account) -> None:
    """Upload a zip for CloudFormation; the functions run from the source tree."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("README", "The functions run from the source tree.")
    s3 = account.client("s3")
    s3.create_bucket(Bucket=_ARTIFACTS)
    s3.put_object(**_CODE, Body=content.getvalue())


def _outputs(cloudformation: CloudFormationClient, name: str) -> dict[str, str]:
    stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def _functions(
    account: Account, cloudformation: CloudFormationClient, name: str
) -> dict[str, LambdaFunction]:
    client = account.client("lambda")
    functions = {}
    for resource in cloudformation.list_stack_resources(StackName=name)["StackResourceSummaries"]:
        if resource["ResourceType"] != "AWS::Lambda::Function":
            continue
        configuration = client.get_function_configuration(
            FunctionName=resource["PhysicalResourceId"]
        )
        arn = configuration["FunctionArn"]
        functions[arn] = LambdaFunction(
            name=configuration["FunctionName"],
            arn=arn,
            handler=configuration["Handler"],
            environment=account.environment
            | {key: str(value) for key, value in configuration["Environment"]["Variables"].items()},
        )
    return functions
