"""An account with imported models and import jobs, behind boto3's own clients."""

from __future__ import annotations

import itertools
import math
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from support.checkpoints.tiny_checkpoint import tiny_checkpoint

from local.aws.account import Account
from local.aws.aws_server import AwsServer, Fault
from local.bedrock import BedrockSettings, LocalBedrock

from model_import.preflight.account import AccountClients  # isort: skip
from model_import.request.wanted_import import WantedImport  # isort: skip

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMIT: Final = "5c4a6b8f2f0d1e9b7a3c4d5e6f708192a3b4c5d6"
WANTED: Final = WantedImport("acme/tiny", COMMIT, normalise=True, model_name="t", name_given=False)
MODELS_QUOTA: Final = "L-45B04988"
BUCKET: Final = "staging"
_ONE_TRY: Final = Config(retries={"total_max_attempts": 1})


@dataclass(slots=True)
class AccountWorld:
    """One account, reset for each test; `faults` replace answers, by `service:operation`."""

    server: AwsServer
    account: Account
    faults: dict[str, Fault] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def reset(self, *, quotas: dict[str, int] | None = None, polls: int = 1) -> None:
        """Forget all models and jobs."""
        self.faults.clear()
        self.server.routes.quotas = quotas or {}
        self.server.routes.fault = lambda service, name: self.faults.get(f"{service}:{name}")
        self.server.routes.bedrock = LocalBedrock(
            self.account.region,
            self.account.id,
            lambda: self.account.client("s3"),
            settings=BedrockSettings(polls=polls, import_seconds=math.inf, quotas=quotas or {}),
        )

    def client(self, service: str) -> Any:  # noqa: ANN401 – the caller names the client's type
        """Return a client without retries."""
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.account.endpoint,
            region_name=self.account.region,
            config=_ONE_TRY,
        )

    @property
    def clients(self) -> AccountClients:
        """Return the clients with which preflight reads the account."""
        return AccountClients(self.client("bedrock"), self.client("service-quotas"))

    def refuse(self, operation: str, code: str = "AccessDeniedException") -> None:
        """Have an operation answer with an error."""
        self.faults[operation] = Fault(HTTPStatus.FORBIDDEN, code, "made to fail")

    def start_job(
        self,
        model_name: str,
        tags: dict[str, str] | None = None,
        *,
        name: str | None = None,
        prefix: str = "tiny",
    ) -> str:
        """Start an import job and return its name; the prefix `nothing` makes it fail."""
        job_name = name or f"job-{next(self._numbers)}"
        spelt = [{"key": key, "value": value} for key, value in (tags or {}).items()]
        self.client("bedrock").create_model_import_job(
            jobName=job_name,
            importedModelName=model_name,
            roleArn=f"arn:aws:iam::{self.account.id}:role/import",
            modelDataSource={"s3DataSource": {"s3Uri": f"s3://{BUCKET}/{prefix}/"}},
            jobTags=spelt,
            importedModelTags=spelt,
        )
        return job_name

    def end_job(
        self, name: str, tags: dict[str, str] | None = None, *, prefix: str = "tiny"
    ) -> str | None:
        """Run a job of this name to its end, and return the ARN of its model."""
        self.start_job("t", tags, name=name, prefix=prefix)
        job = self.client("bedrock").get_model_import_job(jobIdentifier=name)
        return job.get("importedModelArn")  # type: ignore[no-any-return]

    def import_model(self, name: str, tags: dict[str, str] | None = None) -> str:
        """Import a model and return its ARN."""
        job_name = self.start_job(name, tags)
        job = self.client("bedrock").get_model_import_job(jobIdentifier=job_name)
        return str(job["importedModelArn"])


@contextmanager
def account_world() -> Iterator[AccountWorld]:
    """Serve an empty account, with one checkpoint staged in S3."""
    with AwsServer() as server:
        world = AccountWorld(server, Account(server.endpoint))
        s3 = world.account.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        for name, body in tiny_checkpoint().items():
            s3.put_object(Bucket=BUCKET, Key=f"tiny/{name}", Body=body)
        world.reset()
        yield world
