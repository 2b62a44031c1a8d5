"""The IAM actions that code and state machine make use of, read from their sources.

Code is followed from an entry point by the names that it uses, function by function; a call counts
when its name is an operation of a service that its module has a client of.
"""

from __future__ import annotations

import ast
import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import boto3

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OTHER_NAMES: Final = {
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:UploadPart": "s3:PutObject",
    "s3:UploadPartCopy": "s3:PutObject",
    "s3:ListParts": "s3:ListMultipartUploadParts",
    "s3:ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "s3:CompleteMultipartUpload": "s3:PutObject",
    "bedrock:Converse": "bedrock:InvokeModel",
}
"""Operations that another action allows: the Service Authorization Reference."""

LOG_DELIVERY: Final = {
    f"logs:{action}"
    for action in (
        "CreateLogDelivery",
        "DeleteLogDelivery",
        "DescribeLogGroups",
        "DescribeResourcePolicies",
        "GetLogDelivery",
        "ListLogDeliveries",
        "PutResourcePolicy",
        "UpdateLogDelivery",
    )
}
# https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html, 2026-11-24
TRACING: Final = {
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}
# https://docs.aws.amazon.com/step-functions/latest/dg/concepts-xray-tracing.html, 2026-11-24
RUN_TASK_SYNC: Final = {
    "ecs:RunTask",
    "ecs:DescribeTasks",
    "ecs:StopTask",
    "events:DescribeRule",
    "events:PutRule",
    "events:PutTargets",
    "iam:PassRole",
}
# https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html, 2026-11-24


@dataclass(frozen=True)
class Module:
    """A source file: what it defines, what it takes from others, which services it talks to."""

    definitions: dict[str, list[ast.stmt]]
    imports: dict[str, tuple[str, str]]
    services: frozenset[str]
    statements: list[ast.stmt]


def actions_of_code(functions: Path, entry: str) -> set[str]:
    """Return the actions that a module under `functions` leads to, by its dotted name."""
    modules = _modules(functions)
    reached: set[tuple[str, str]] = set()
    waiting = [(entry, name) for name in ("", *modules[entry].definitions)]
    actions: set[str] = set()
    while waiting:
        module_name, name = waiting.pop()
        module = modules.get(module_name)
        if module is None or (module_name, name) in reached:
            continue
        reached.add((module_name, name))
        # "" is what the module does when it is imported.
        nodes = module.definitions.get(name, []) if name else module.statements
        waiting.append((module_name, ""))
        for node in (inner for outer in nodes for inner in ast.walk(outer)):
            actions |= set(_called(node, module.services))
            if isinstance(node, ast.Name):
                if node.id in module.definitions:
                    waiting.append((module_name, node.id))
                if node.id in module.imports:
                    waiting.append(module.imports[node.id])
    return actions


@functools.cache
def _modules(functions: Path) -> dict[str, Module]:
    modules = {}
    for path in functions.rglob("*.py"):
        parts = path.relative_to(functions).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        modules[name] = _read(path)
    return modules


def _read(path: Path) -> Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    definitions: dict[str, list[ast.stmt]] = {}
    imports = {}
    statements = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            definitions[node.name] = [node]
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                imports[alias.asname or alias.name] = (str(node.module), alias.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    definitions[target.id] = [node]
        elif not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            statements.append(node)
    return Module(definitions, imports, frozenset(_services(tree)), statements)


def _services(tree: ast.Module) -> Iterator[str]:
    """Yield the services of a module: of the clients that it makes, and of those in its types."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("mypy_boto3_"):
            name = str(node.module).removeprefix("mypy_boto3_").partition(".")[0]
            yield name.replace("_", "-")
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "boto3.client":
            yield ast.literal_eval(node.args[0])


def _called(node: ast.AST, services: frozenset[str]) -> Iterator[str]:
    """Yield the actions of a method of a client, or of an operation that is named in a string."""
    if isinstance(node, ast.keyword) and node.arg == "Tagging":
        yield "s3:PutObjectTagging"
    if isinstance(node, ast.Attribute):
        name: object = node.attr
    elif isinstance(node, ast.Constant):
        name = node.value
        if name == "Tagging":
            yield "s3:PutObjectTagging"
    else:
        return
    found = [service for service in services if name in methods(service)]
    if len(found) > 1 and isinstance(node, ast.Attribute):
        # Several services have it: the client's name says which is meant.
        client = ast.unparse(node.value).rpartition(".")[2].replace("_", "-")
        found = [service for service in found if service == client]
    assert len(found) <= 1, f"{name} is an operation of each of {found}"
    for service in found:
        yield action(service, methods(service)[str(name)])


@functools.cache
def _client(service: str) -> Any:  # noqa: ANN401 any client
    return boto3.client(service, region_name="us-east-1")  # type: ignore[call-overload]


def methods(service: str) -> dict[str, str]:
    """Return the operations of a service by the names of boto3's methods."""
    mapping: dict[str, str] = _client(service).meta.method_to_api_mapping
    return mapping


def action(service: str, operation: str) -> str:
    """Return the action that allows an operation."""
    model = _client(service).meta.service_model
    prefix = model.metadata.get("signingName") or model.metadata["endpointPrefix"]
    return OTHER_NAMES.get(f"{prefix}:{operation}", f"{prefix}:{operation}")


def actions_of_states(states: dict[str, dict[str, Any]]) -> set[str]:
    """Return the actions of the tasks among the states; arguments may be one expression."""
    actions: set[str] = set()
    for state in states.values():
        if state["Type"] != "Task":
            continue
        resource = state["Resource"].removeprefix("arn:aws:states:::")
        named = set(re.findall(r"\w+", str(state.get("Arguments", ""))))
        if sdk := re.fullmatch(r"aws-sdk:(\w+):(\w+)", resource):
            operation = sdk[2][0].upper() + sdk[2][1:]
            assert operation in methods(sdk[1]).values(), resource
            actions.add(action(sdk[1], operation))
            if named & {"JobTags", "ImportedModelTags"}:
                actions.add("bedrock:TagResource")
            if "RoleArn" in named:
                actions.add("iam:PassRole")
        else:
            actions |= _OPTIMISED[resource]
            if "PropagateTags" in named:
                actions.add("ecs:TagResource")
    return actions


_OPTIMISED: Final = {
    "lambda:invoke": {"lambda:InvokeFunction"},
    "lambda:invoke.waitForTaskToken": {"lambda:InvokeFunction"},
    "events:putEvents": {"events:PutEvents"},
    "states:startExecution": {"states:StartExecution"},
    "ecs:runTask.sync": RUN_TASK_SYNC,
}
