"""The local Bedrock on a loopback HTTP server, and boto3's clients for it."""

from __future__ import annotations

import itertools
import json
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import boto3
import urllib3
from botocore.config import Config
from moto import mock_aws
from werkzeug.serving import WSGIRequestHandler, make_server

from local.bedrock import BedrockSettings, LocalBedrock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from wsgiref.types import StartResponse, WSGIEnvironment

    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient
    from mypy_boto3_s3 import S3Client

REGION = "us-east-1"
ACCOUNT_ID = "123456789012"
BUCKET = "staging"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT_ID}:role/bedrock-import"
_CREDENTIALS: dict[str, Any] = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
_NO_RETRIES = Config(retries={"total_max_attempts": 1})


@dataclass(slots=True)
class Clock:
    """A clock that a test sets; a slow reading lets other threads run."""

    now: datetime = datetime(2026, 10, 5, 12, tzinfo=UTC)
    reading_seconds: float = 0

    def __call__(self) -> datetime:
        time.sleep(self.reading_seconds)
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


class BedrockEndpoint:
    """One server and its clients; `restart` gives a test a fresh Bedrock."""

    def __init__(self, s3: S3Client) -> None:
        self.s3 = s3
        self.http = urllib3.PoolManager()
        self._prefixes = itertools.count(1)
        self.restart()

    def restart(
        self,
        settings: BedrockSettings | None = None,
        *,
        region: str = REGION,
        role_exists: Callable[[str], bool] | None = None,
    ) -> None:
        """Forget all jobs and models; models are warm unless the settings say otherwise."""
        self.clock = Clock()
        settings = replace(settings or BedrockSettings(cold_starts=0), clock=self.clock)
        self._application = LocalBedrock(
            region, ACCOUNT_ID, lambda: self.s3, settings=settings, role_exists=role_exists
        )

    def connect(self, url: str) -> None:
        """Make the clients."""
        self.url = url
        where: dict[str, Any] = {"region_name": REGION, "endpoint_url": url, **_CREDENTIALS}
        self.bedrock: BedrockClient = boto3.client("bedrock", config=_NO_RETRIES, **where)
        self.runtime: BedrockRuntimeClient = boto3.client(
            "bedrock-runtime", config=_NO_RETRIES, **where
        )

    def close(self) -> None:
        self.http.clear()
        self.bedrock.close()
        self.runtime.close()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return self._application(environ, start_response)

    def stage(self, files: Mapping[str, bytes]) -> str:
        """Put files under a new prefix and return its S3 URI."""
        prefix = f"models/{next(self._prefixes)}"
        for name, body in files.items():
            self.s3.put_object(Bucket=BUCKET, Key=f"{prefix}/{name}", Body=body)
        return f"s3://{BUCKET}/{prefix}/"

    def start_import(self, s3_uri: str, name: str = "tiny", **more: Any) -> str:  # noqa: ANN401  the call's own fields
        """Start an import job and return its ARN."""
        request = {
            "jobName": f"import-{name}",
            "importedModelName": name,
            "roleArn": ROLE_ARN,
            "modelDataSource": {"s3DataSource": {"s3Uri": s3_uri}},
        } | more
        return self.bedrock.create_model_import_job(**request)["jobArn"]

    def end_import(self, job: str) -> dict[str, Any]:
        """Let the time of the job pass, and return the answer of GetModelImportJob."""
        self.clock.advance(3600)
        return dict(self.bedrock.get_model_import_job(jobIdentifier=job))

    def import_model(self, files: Mapping[str, bytes], name: str = "tiny") -> str:
        """Import a model and return its ARN."""
        job = self.end_import(self.start_import(self.stage(files), name))
        assert job["status"] == "Completed", job
        return str(job["importedModelArn"])

    def invoke(self, model_arn: str, body: object) -> dict[str, Any]:
        """Return the parsed answer of InvokeModel."""
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = self.runtime.invoke_model(modelId=model_arn, body=text)
        parsed: dict[str, Any] = json.loads(answer["body"].read())
        return parsed

    def stream(self, model_arn: str, body: object) -> list[dict[str, Any]]:
        """Return the parsed chunks of InvokeModelWithResponseStream."""
        answer = self.runtime.invoke_model_with_response_stream(
            modelId=model_arn, body=json.dumps(body)
        )
        return [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]

    def request(
        self, method: str, path: str, body: object = None
    ) -> tuple[int, Mapping[str, str], dict[str, Any]]:
        """Return the status, headers and JSON of a request that bypasses boto3's checks."""
        text = body if isinstance(body, bytes) else json.dumps(body).encode() if body else b""
        answer = self.http.request(method, self.url + path, body=text, retries=False)
        return answer.status, answer.headers, json.loads(answer.data)


@contextmanager
def bedrock_endpoint() -> Iterator[BedrockEndpoint]:
    """Serve a local Bedrock with an S3, and yield the endpoint of both."""
    with mock_aws():
        s3 = boto3.client("s3", REGION, **_CREDENTIALS)
        s3.create_bucket(Bucket=BUCKET)
        endpoint = BedrockEndpoint(s3)
        with _served(endpoint) as url, closing(endpoint), closing(s3):
            endpoint.connect(url)
            yield endpoint


def encoded(arn: str) -> str:
    """Return an ARN as SDKs write it into a path."""
    return quote(arn, safe="")


class _SilentHandler(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@contextmanager
def _served(application: BedrockEndpoint) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_SilentHandler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
