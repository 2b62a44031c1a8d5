"""Finds and removes the billed resources of a stack, by its resource list and its tag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from model_import.request.tagging import STACK_TAG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

STACK: Final = "stack"
"""The `kind` of the leftover that is the stack itself."""


class RemovalRefusedError(Exception):
    """S3 did not delete an object that was to be removed."""


@dataclass(frozen=True, slots=True)
class Clients:
    """Clients of the services in which a stack leaves resources."""

    bedrock: BedrockClient
    cloudformation: CloudFormationClient
    ecr: ECRClient
    logs: CloudWatchLogsClient
    s3: S3Client
    stepfunctions: SFNClient


@dataclass(frozen=True, slots=True)
class Leftover:
    """A billed resource; `remove` is None for one that cannot be removed and ends by itself."""

    kind: str
    name: str
    billed_for: str
    remove: Callable[[], object] | None

    def __str__(self) -> str:
        """Return it as a line of a list."""
        return f"{self.kind} {self.name}: {self.billed_for}"


class StackRemains:
    """The billed resources of a stack that is deployed, or was deleted in the last 90 days.

    CloudFormation lists a deleted stack no longer than that; imported models are found by tag.
    """

    def __init__(self, clients: Clients, stack_name: str) -> None:
        self._clients = clients
        self._name = stack_name

    @property
    def is_deployed(self) -> bool:
        return self._stack_status() is not None

    def running_executions(self) -> list[str]:
        """Return the ARNs of running executions, which would create more resources."""
        if not self.is_deployed:
            return []
        return [
            execution["executionArn"]
            for machine in self._physical_ids("AWS::StepFunctions::StateMachine")
            for page in self._clients.stepfunctions.get_paginator("list_executions").paginate(
                stateMachineArn=machine, statusFilter="RUNNING"
            )
            for execution in page["executions"]
        ]

    def find(self) -> list[Leftover]:
        """Return every billed resource, in an order in which they can be removed."""
        return [
            *self._buckets(),
            *self._stack(),
            *self._repositories(),
            *self._log_groups(),
            *self._models(),
            *self._import_jobs(),
        ]

    def _stack_status(self) -> str | None:
        try:
            (stack,) = self._clients.cloudformation.describe_stacks(StackName=self._name)["Stacks"]
        except ClientError as error:
            # CloudFormation has no specific error code for a stack that does not exist.
            if error.response["Error"]["Code"] == "ValidationError":
                return None
            raise
        return stack["StackStatus"]

    def _physical_ids(self, resource_type: str) -> list[str]:
        """Return the ids of resources of the stack and of deleted stacks with the same name."""
        cloudformation = self._clients.cloudformation
        deleted = [
            str(stack["StackId"])
            for page in cloudformation.get_paginator("list_stacks").paginate(
                StackStatusFilter=["DELETE_COMPLETE"]
            )
            for stack in page["StackSummaries"]
            if stack["StackName"] == self._name
        ]
        ids = [
            resource["PhysicalResourceId"]
            for stack in [*([self._name] if self.is_deployed else []), *deleted]
            for page in cloudformation.get_paginator("list_stack_resources").paginate(
                StackName=stack
            )
            for resource in page["StackResourceSummaries"]
            if resource["ResourceType"] == resource_type and resource.get("PhysicalResourceId")
        ]
        return list(dict.fromkeys(ids))

    def _stack(self) -> Iterator[Leftover]:
        if status := self._stack_status():
            yield Leftover(STACK, self._name, f"is {status}", self._delete_stack)

    def _delete_stack(self) -> None:
        self._clients.cloudformation.delete_stack(StackName=self._name)
        self._clients.cloudformation.get_waiter("stack_delete_complete").wait(StackName=self._name)

    def _buckets(self) -> Iterator[Leftover]:
        s3 = self._clients.s3
        for bucket in self._physical_ids("AWS::S3::Bucket"):
            try:
                pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=bucket))
            except s3.exceptions.NoSuchBucket:
                continue
            entries = [entry for page in pages for entry in page.get("Contents", [])]
            size = sum(entry["Size"] for entry in entries)
            held = f"holds {len(entries):,} objects of {size:,} bytes"
            # Deleting the stack deletes its empty bucket, and functions may write to it until then.
            remove = _empty if self.is_deployed else _empty_and_delete
            yield Leftover("bucket", bucket, held, _bound(remove, s3, bucket))

    def _repositories(self) -> Iterator[Leftover]:
        ecr = self._clients.ecr
        for name in self._physical_ids("AWS::ECR::Repository"):
            try:
                images = ecr.list_images(repositoryName=name)["imageIds"]
            except ecr.exceptions.RepositoryNotFoundException:
                continue
            remove = _bound(_delete_repository, ecr, name)
            yield Leftover("repository", name, f"holds {len(images)} images", remove)

    def _log_groups(self) -> Iterator[Leftover]:
        logs = self._clients.logs
        for name in self._physical_ids("AWS::Logs::LogGroup"):
            groups = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
            for group in groups:
                if group["logGroupName"] == name:
                    held = f"holds {group.get('storedBytes', 0):,} bytes"
                    yield Leftover("log group", name, held, _bound(_delete_log_group, logs, name))

    def _models(self) -> Iterator[Leftover]:
        bedrock = self._clients.bedrock
        for page in bedrock.get_paginator("list_imported_models").paginate():
            for model in page["modelSummaries"]:
                arn = model["modelArn"]
                if self._is_tagged(arn):
                    named = f"{model['modelName']} ({arn})"
                    remove = _bound(_delete_model, bedrock, arn)
                    yield Leftover(
                        "imported model", named, "storage of its Custom Model Units", remove
                    )

    def _import_jobs(self) -> Iterator[Leftover]:
        pages = self._clients.bedrock.get_paginator("list_model_import_jobs").paginate(
            statusEquals="InProgress"
        )
        for page in pages:
            for job in page["modelImportJobSummaries"]:
                if self._is_tagged(job["jobArn"]):
                    effect = (
                        "cannot be stopped and will create a model; run teardown again afterwards"
                    )
                    yield Leftover("import job", job["jobName"], effect, None)

    def _is_tagged(self, arn: str) -> bool:
        tags = self._clients.bedrock.list_tags_for_resource(resourceARN=arn)["tags"]
        return {"key": STACK_TAG, "value": self._name} in tags


def _bound[T](action: Callable[[T, str], object], client: T, name: str) -> Callable[[], object]:
    return lambda: action(client, name)


def _empty(s3: S3Client, bucket: str) -> None:
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in page.get("Uploads", []):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    # A page lists at most 1,000 keys, which is also the limit of DeleteObjects.
    for listed in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        if keys := [entry["Key"] for entry in listed.get("Contents", [])]:
            _delete_objects(s3, bucket, keys)


def _delete_objects(s3: S3Client, bucket: str, keys: list[str]) -> None:
    answer = s3.delete_objects(
        Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
    )
    for failure in answer.get("Errors", []):
        raise RemovalRefusedError(
            f"s3://{bucket}/{failure['Key']} was not deleted: {failure['Message']}"
        )


def _empty_and_delete(s3: S3Client, bucket: str) -> None:
    _empty(s3, bucket)
    s3.delete_bucket(Bucket=bucket)


def _delete_repository(ecr: ECRClient, name: str) -> None:
    ecr.delete_repository(repositoryName=name, force=True)


def _delete_log_group(logs: CloudWatchLogsClient, name: str) -> None:
    logs.delete_log_group(logGroupName=name)


def _delete_model(bedrock: BedrockClient, arn: str) -> None:
    bedrock.delete_imported_model(modelIdentifier=arn)
