"""Replaces the resources of a template that moto's CloudFormation does not support.

A secret is created beforehand. A function URL is a path at the local AWS. local/aws/schedules.py
runs the schedules that the stack outputs. The others have no effect on one machine.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from local.aws.function_urls import FUNCTION_URLS

if TYPE_CHECKING:
    from local.aws.account import Account

_SECRET: Final = "AWS::SecretsManager::Secret"  # noqa: S105 – a type
_URL: Final = "AWS::Lambda::Url"
_SCHEDULE: Final = "AWS::Scheduler::Schedule"
_MEANINGLESS: Final = {
    "AWS::Chatbot::SlackChannelConfiguration",
    "AWS::CloudWatch::Dashboard",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
}
_OUTPUT: Final = re.compile(r"Schedule(Expression|Target)(?P<name>.+)")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule that invokes a function."""

    expression: str
    function_arn: str


def replace_unsupported(translated: dict[str, Any], account: Account) -> dict[str, Any]:
    """Return a CloudFormation template with those resources replaced."""
    values: dict[tuple[str, ...], Any] = {}
    resources = translated["Resources"]
    for name, resource in list(resources.items()):
        kind, properties = resource["Type"], resource.get("Properties", {})
        if kind == _SECRET:
            values["Ref", name] = _create_secret(account, name)
        elif kind == _URL:
            path = {"Ref": properties["TargetFunctionArn"]["Ref"]}
            url = {"Fn::Join": ["", [f"{account.endpoint}{FUNCTION_URLS}", path, "/"]]}
            values["Fn::GetAtt", name, "FunctionUrl"] = url
        elif kind == _SCHEDULE:
            outputs = {
                f"ScheduleExpression{name}": {"Value": properties["ScheduleExpression"]},
                f"ScheduleTarget{name}": {"Value": properties["Target"]["Arn"]},
            }
            condition = {"Condition": resource["Condition"]} if "Condition" in resource else {}
            translated["Outputs"] |= {key: value | condition for key, value in outputs.items()}
        elif kind not in _MEANINGLESS:
            continue
        del resources[name]
    replaced: dict[str, Any] = _replace(translated, values)
    return replaced


def schedules_of(outputs: dict[str, str]) -> tuple[Schedule, ...]:
    """Return the schedules in the outputs of a stack."""
    names = [found["name"] for key in outputs if (found := _OUTPUT.fullmatch(key))]
    return tuple(
        Schedule(outputs[f"ScheduleExpression{name}"], outputs[f"ScheduleTarget{name}"])
        for name in dict.fromkeys(names)
    )


def _create_secret(account: Account, name: str) -> str:
    client = account.client("secretsmanager")
    arn: str = client.create_secret(Name=name, SecretString=secrets.token_hex(24))["ARN"]
    return arn


def _replace(part: Any, values: dict[tuple[str, ...], Any]) -> Any:  # noqa: ANN401 – any JSON
    """Return a part of a template with its references to replaced resources resolved."""
    if isinstance(part, list):
        return [_replace(item, values) for item in part]
    if not isinstance(part, dict):
        return part
    if len(part) == 1:
        ((function, argument),) = part.items()
        key = (function, *argument) if isinstance(argument, list) else (function, argument)
        if all(isinstance(step, str) for step in key) and key in values:
            return values[key]
    return {name: _replace(value, values) for name, value in part.items()}
