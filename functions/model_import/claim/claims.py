"""Claims: objects in S3 that name the execution that works on a source, written conditionally.

A claim is never released. Another execution can take it over once the execution that it names has
ended, whatever its status, so nobody ever has to remove a claim by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from model_import.aws.refusals import translate_aws_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

_LOST_RACE_CODES: Final = ("PreconditionFailed", "ConditionalRequestConflict")
_TRIES: Final = 5
# Another execution wins each lost race, so a few tries are enough.


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of one stack."""

    s3: S3Client
    states: SFNClient
    bucket: str

    def claim(self, source_path: str, execution_arn: str) -> str:
        """Return the ARN of the execution that holds the claim: this one, or another running one.

        Raises:
            PermissionMissingError: IAM does not allow access to claims or executions.
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
                if error.response["Error"]["Code"] in _LOST_RACE_CODES:
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
                return False  # Step Functions deletes it 90 days after its end.
        return described["status"] == "RUNNING"
