"""Which execution works on a source: an object in S3 that names it, written on conditions.

A claim is never given back. It is free again when the execution that it names has ended, however
that ended; so nothing is left behind that a person would have to remove.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from model_import.aws.refusals import translate_aws_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

_LOST: Final = ("PreconditionFailed", "ConditionalRequestConflict")
_TRIES: Final = 5
# Each lost race is one that somebody else has won.


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of one stack."""

    s3: S3Client
    states: SFNClient
    bucket: str

    def claim(self, source_path: str, execution_arn: str) -> str:
        """Return the ARN of the execution that has the claim: this one, or another that runs.

        Raises:
            PermissionMissingError: The caller may not read or write claims, or look at executions.
            AwsUnavailableError: S3 or Step Functions did not answer.
        """
        key, holder = f"claims/{source_path}", execution_arn
        for _ in range(_TRIES):
            if self._write(key, execution_arn, {"IfNoneMatch": "*"}):
                return execution_arn
            found = self._read(key)
            if found is None:
                continue
            holder, etag = found
            if holder == execution_arn or self._is_running(holder):
                return holder
            if self._write(key, execution_arn, {"IfMatch": etag}):
                return execution_arn
        return holder

    def _write(self, key: str, execution_arn: str, condition: dict[str, str]) -> bool:
        with translate_aws_errors("s3"):
            try:
                self.s3.put_object(
                    Bucket=self.bucket,
                    Key=key,
                    Body=execution_arn.encode(),
                    ContentType="text/plain",
                    **condition,  # type: ignore[arg-type]
                )
            except ClientError as error:
                if error.response["Error"]["Code"] in _LOST:
                    return False
                raise
        return True

    def _read(self, key: str) -> tuple[str, str] | None:
        with translate_aws_errors("s3"):
            try:
                found = self.s3.get_object(Bucket=self.bucket, Key=key)
            except self.s3.exceptions.NoSuchKey:
                return None
            return found["Body"].read().decode(), found["ETag"]

    def _is_running(self, execution_arn: str) -> bool:
        with translate_aws_errors("states"):
            try:
                described = self.states.describe_execution(executionArn=execution_arn)
            except self.states.exceptions.ExecutionDoesNotExist:
                return False  # Step Functions forgets an execution 90 days after its end.
        return described["status"] == "RUNNING"
