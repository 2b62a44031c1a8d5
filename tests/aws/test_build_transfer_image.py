"""The custom resource of the transfer image, from CloudFormation's request to its answer.

S3, ECR and CloudWatch Logs are moto's. CodeBuild answers here: moto's ends every build well and
builds nothing.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
import zipfile
from collections import deque
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from moto import mock_aws
from support.servers.scripted_server import Answer, scripted_server

from build_transfer_image import app
from build_transfer_image.image_sources import ImageSources

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.servers.scripted_server import ScriptedServer

BUCKET: Final = "staging"
REPOSITORY: Final = "transfer-image"
PROJECT: Final = "model-import-transfer-image"
REPOSITORY_URI: Final = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{REPOSITORY}"
LOG_GROUP: Final = "image-builds"
LAST_WORDS: Final = "ERROR: No matching distribution found for awscrt"


@dataclass
class CodeBuild:
    """Builds as it is told to: `ends` is how each build ends, None for one that never does."""

    ends: deque[str | None] = field(default_factory=lambda: deque(["SUCCEEDED"]))
    built: list[dict[str, bytes]] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    _builds: dict[str, dict[str, Any]] = field(default_factory=dict)

    def answer(self, model: Any, params: dict[str, Any], **_: object) -> tuple[Any, dict[str, Any]]:  # noqa: ANN401 botocore's
        """Take the place of the service; botocore has checked the request."""
        request = json.loads(params["body"])
        parsed = {
            "StartBuild": self._start,
            "BatchGetBuilds": self._get,
            "StopBuild": self._stop,
        }[model.name](request)
        return AWSResponse("", 200, HTTPHeaders(), None), parsed

    def _start(self, request: dict[str, Any]) -> dict[str, Any]:
        assert request["projectName"] == PROJECT
        assert request["sourceTypeOverride"] == "S3"
        bucket, _, key = request["sourceLocationOverride"].partition("/")
        packed = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            sources = {name: archive.read(name) for name in archive.namelist()}
        tags = {
            variable["name"]: variable["value"]
            for variable in request["environmentVariablesOverride"]
        }
        build: dict[str, Any] = {
            "id": f"{PROJECT}:{len(self._builds)}",
            "buildStatus": "IN_PROGRESS",
            "logs": {"groupName": LOG_GROUP, "streamName": str(len(self._builds))},
        }
        self._builds[build["id"]] = build | {"sources": sources, "tag": tags["IMAGE_TAG"]}
        return {"build": build}

    def _get(self, request: dict[str, Any]) -> dict[str, Any]:
        (build_id,) = request["ids"]
        build = self._builds[build_id]
        end = self.ends[0]
        if end is None:
            return {"builds": [build]}
        self.ends.rotate(-1)
        build["buildStatus"] = end
        if end == "SUCCEEDED":
            self.built.append(build["sources"])
            push_image(build["tag"])
        else:
            build["phases"] = [
                {"phaseType": "BUILD", "contexts": [{"message": "exit status 1"}]},
                {"phaseType": "COMPLETED"},
            ]
            write_log(build["logs"]["streamName"])
        return {"builds": [build]}

    def _stop(self, request: dict[str, Any]) -> dict[str, Any]:
        self.stopped.append(request["id"])
        return {"build": self._builds[request["id"]]}


def push_image(tag: str) -> None:
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "layers": [{"digest": f"sha256:{hashlib.sha256(tag.encode()).hexdigest()}"}],
    }
    boto3.client("ecr").put_image(
        repositoryName=REPOSITORY, imageManifest=json.dumps(manifest), imageTag=tag
    )


def write_log(stream: str) -> None:
    logs = boto3.client("logs")
    logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName=stream)
    lines = [f"line {number}\n" for number in range(400)] + [LAST_WORDS + "\n"]
    logs.put_log_events(
        logGroupName=LOG_GROUP,
        logStreamName=stream,
        logEvents=[
            {"timestamp": int(time.time() * 1000) + number, "message": line}
            for number, line in enumerate(lines)
        ],
    )


@dataclass
class Deployment:
    """The function with all that it talks to."""

    codebuild: CodeBuild
    cloudformation: ScriptedServer
    sources: Path
    seconds_left: list[float]

    def request(self, request_type: str) -> dict[str, Any]:
        """Return what CloudFormation is answered."""
        context: Any = SimpleNamespace(
            function_name="build",
            memory_limit_in_mb=1024,
            invoked_function_arn="arn",
            aws_request_id="1",
            get_remaining_time_in_millis=lambda: self.seconds_left[0] * 1000,
        )
        event = {
            "RequestType": request_type,
            "ResponseURL": f"{self.cloudformation.url}/answer?signature=secret",
            "StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/model-import/1",
            "RequestId": "request-1",
            "LogicalResourceId": "TransferImage",
            "ResourceProperties": {},
        }
        app.handler(event, context)
        answer: dict[str, Any] = json.loads(self.cloudformation.requests[-1].body)
        assert len(self.cloudformation.requests[-1].body) <= 4096
        assert answer["RequestId"] == "request-1"
        assert answer["PhysicalResourceId"] == "TransferImage"
        return answer

    def staged(self) -> list[str]:
        """Return the keys in the bucket."""
        listed = boto3.client("s3").list_objects_v2(Bucket=BUCKET)
        return [entry["Key"] for entry in listed.get("Contents", [])]


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    """Return one session for all tests: it reads the models of the services once."""
    return boto3.Session("made-up", "made-up", region_name="us-east-1")


@pytest.fixture
def deployment(
    session: boto3.Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Deployment]:
    for path, text in {
        "model_import/errors.py": "x = 1\n",
        "model_import/__pycache__/errors.cpython-313.pyc": "compiled",
        "transfer_model/Dockerfile": "FROM scratch\n",
        "validate_repository/app.py": "not of the image\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    seconds_left = [900.0]

    def sleep(seconds: float) -> None:
        seconds_left[0] -= seconds

    monkeypatch.setattr(app, "_ROOT", tmp_path)
    monkeypatch.setattr(app, "time", SimpleNamespace(sleep=sleep))
    for name, value in {
        "ACCOUNT_ID": "123456789012",
        "IMAGE_PROJECT": PROJECT,
        "IMAGE_REPOSITORY": REPOSITORY,
        "IMAGE_REPOSITORY_URI": REPOSITORY_URI,
        "STAGING_BUCKET": BUCKET,
    }.items():
        monkeypatch.setenv(name, value)
    codebuild = CodeBuild()
    with mock_aws(), scripted_server(Answer()) as cloudformation:
        answer: Any = codebuild.answer
        session.events.register("before-call.codebuild", answer, "codebuild")
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        boto3.client("ecr").create_repository(
            repositoryName=REPOSITORY, imageTagMutability="IMMUTABLE"
        )
        boto3.client("logs").create_log_group(logGroupName=LOG_GROUP)
        yield Deployment(codebuild, cloudformation, tmp_path, seconds_left)
        session.events.unregister("before-call.codebuild", unique_id="codebuild")


def test_create_builds_the_image_from_the_functions_own_sources(deployment: Deployment) -> None:
    answer = deployment.request("Create")

    assert answer["Status"] == "SUCCESS"
    repository, _, digest = answer["Data"]["ImageUri"].partition("@")
    images = boto3.client("ecr").describe_images(repositoryName=REPOSITORY)["imageDetails"]
    assert repository == REPOSITORY_URI
    assert [image["imageDigest"] for image in images] == [digest]
    assert images[0]["imageTags"] == [answer["Data"]["SourcesHash"]]
    assert deployment.codebuild.built == [
        {"model_import/errors.py": b"x = 1\n", "transfer_model/Dockerfile": b"FROM scratch\n"}
    ]
    assert deployment.staged() == []


def test_an_update_without_change_of_the_sources_builds_nothing(deployment: Deployment) -> None:
    created = deployment.request("Create")
    # Not of the image: another function's code.
    (deployment.sources / "validate_repository/app.py").write_text("changed\n")
    updated = deployment.request("Update")

    assert updated["Data"] == created["Data"]
    assert len(deployment.codebuild.built) == 1


def test_an_update_with_changed_sources_builds_a_second_image_and_keeps_the_first(
    deployment: Deployment,
) -> None:
    created = deployment.request("Create")
    (deployment.sources / "model_import/errors.py").write_text("x = 2\n")
    updated = deployment.request("Update")
    (deployment.sources / "model_import/errors.py").write_text("x = 1\n")
    rolled_back = deployment.request("Update")

    assert updated["Status"] == "SUCCESS"
    assert updated["Data"]["Digest"] != created["Data"]["Digest"]
    assert rolled_back["Data"] == created["Data"]
    assert len(deployment.codebuild.built) == 2


@pytest.mark.parametrize("end", ["FAILED", "FAULT", "TIMED_OUT", "STOPPED"])
def test_a_failed_build_fails_the_stack_with_the_end_of_its_log(
    deployment: Deployment, end: str
) -> None:
    deployment.codebuild.ends = deque([end])
    answer = deployment.request("Create")

    assert answer["Status"] == "FAILED"
    assert LAST_WORDS in answer["Reason"]
    assert f"ended as {end} and left no image BUILD: exit status 1" in answer["Reason"]
    assert deployment.staged() == []


def test_the_update_after_a_failed_build_tries_again(deployment: Deployment) -> None:
    deployment.codebuild.ends = deque(["FAILED", "SUCCEEDED"])

    assert deployment.request("Create")["Status"] == "FAILED"
    assert deployment.request("Update")["Status"] == "SUCCESS"


def test_a_build_that_pushed_nothing_is_no_success(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "push_image", lambda _tag: None)
    answer = deployment.request("Create")

    assert answer["Status"] == "FAILED"
    assert "left no image" in answer["Reason"]


def test_a_build_without_end_is_stopped_and_answered_for_in_time(deployment: Deployment) -> None:
    deployment.codebuild.ends = deque([None])
    answer = deployment.request("Create")

    assert answer["Status"] == "FAILED"
    assert "longer than the timeout allows" in answer["Reason"]
    assert len(deployment.codebuild.stopped) == 1
    assert 30 < deployment.seconds_left[0] < 60
    assert deployment.staged() == []


def test_delete_builds_nothing_and_removes_what_a_cut_off_build_left(
    deployment: Deployment,
) -> None:
    hash_ = ImageSources.read(deployment.sources).content_hash
    key = f"image-sources/{hash_}.zip"
    boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"")
    answer = deployment.request("Delete")

    assert answer["Status"] == "SUCCESS"
    assert deployment.staged() == []
    assert deployment.codebuild.built == []


def test_a_stack_whose_bucket_is_gone_can_still_be_deleted(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAGING_BUCKET", "bucket-of-nobody")

    assert deployment.request("Delete")["Status"] == "SUCCESS"


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_whatever_goes_wrong_is_answered(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, request_type: str
) -> None:
    monkeypatch.setenv("STAGING_BUCKET", "bucket-of-nobody")
    answer = deployment.request(request_type)

    assert answer["Status"] == "FAILED"
    assert "NoSuchBucket" in answer["Reason"]


def test_a_reason_of_any_length_and_script_fits_the_answer(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "LAST_WORDS", '"\\\x1b日' * 3000)
    deployment.codebuild.ends = deque(["FAILED"])

    assert deployment.request("Create")["Status"] == "FAILED"


def test_an_answer_that_is_not_taken_at_once_is_sent_again(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("urllib3.util.retry.time.sleep", lambda _seconds: None)
    deployment.cloudformation.answers.extendleft([Answer(status=503), Answer(hangs_up=True)])

    assert deployment.request("Delete")["Status"] == "SUCCESS"
    assert len(deployment.cloudformation.requests) == 3


def test_an_answer_that_is_never_taken_raises_without_the_signed_url(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("urllib3.util.retry.time.sleep", lambda _seconds: None)
    deployment.cloudformation.answers.extendleft([Answer(status=403)])

    with pytest.raises(Exception, match="status 403") as refused:
        deployment.request("Delete")
    assert "secret" not in str(refused.value)
