"""Builds the transfer image with CodeBuild, unless there is an image of the same sources."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_codebuild import CodeBuildClient
    from mypy_boto3_codebuild.type_defs import BuildTypeDef
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client

    from build_transfer_image.image_sources import ImageSources

_POLL_SECONDS: Final = 5
_RESERVE_SECONDS: Final = 60
"""Waiting ends so long before the timeout, to leave time to stop the build and to answer."""

_LOG_LINES: Final = 30


class ImageBuildFailedError(Exception):
    """A build produced no image; the message has its status and the last lines of its log."""

    def __init__(self, build_id: str, end: str, log_tail: str) -> None:
        super().__init__(f"Build {build_id} of the transfer image {end}. {log_tail}".strip())


@dataclass(frozen=True, slots=True)
class Clients:
    """The clients of a build."""

    codebuild: CodeBuildClient
    ecr: ECRClient
    logs: CloudWatchLogsClient
    s3: S3Client


@dataclass(frozen=True, slots=True)
class Time:
    """How to wait, and how many seconds the caller has left."""

    sleep: Callable[[float], object]
    seconds_left: Callable[[], float]


@dataclass(frozen=True, slots=True)
class ImageBuilder:
    """The CodeBuild project, the bucket that it reads from and its image repository."""

    clients: Clients
    project: str
    bucket: str
    repository: str

    def build(self, sources: ImageSources, time: Time) -> str:
        """Return the digest of the image of these sources, and build it if it does not exist.

        Raises:
            ImageBuildFailedError: The build failed, or was stopped because time ran out.
        """
        tag = sources.content_hash
        digest = self._find_digest(tag)
        if digest is not None:
            return digest
        self.clients.s3.put_object(Bucket=self.bucket, Key=_key(sources), Body=sources.zipped())
        try:
            build = self._finished_build(sources, time)
        finally:
            self.discard(sources)
        digest = self._find_digest(tag)
        if digest is None:
            raise ImageBuildFailedError(build["id"], _end(build), self._log_tail(build))
        return digest

    def discard(self, sources: ImageSources) -> None:
        """Delete the sources in S3, because a stack can only delete an empty bucket."""
        with contextlib.suppress(self.clients.s3.exceptions.NoSuchBucket):
            self.clients.s3.delete_object(Bucket=self.bucket, Key=_key(sources))

    def _finished_build(self, sources: ImageSources, time: Time) -> BuildTypeDef:
        build = self.clients.codebuild.start_build(
            projectName=self.project,
            sourceTypeOverride="S3",
            sourceLocationOverride=f"{self.bucket}/{_key(sources)}",
            environmentVariablesOverride=[
                {"name": "IMAGE_TAG", "value": sources.content_hash, "type": "PLAINTEXT"}
            ],
        )["build"]
        while build["buildStatus"] == "IN_PROGRESS":
            if time.seconds_left() < _RESERVE_SECONDS:
                self.clients.codebuild.stop_build(id=build["id"])
                end = "was stopped because it took longer than the timeout allows"
                raise ImageBuildFailedError(build["id"], end, self._log_tail(build))
            time.sleep(_POLL_SECONDS)
            (build,) = self.clients.codebuild.batch_get_builds(ids=[build["id"]])["builds"]
        return build

    def _find_digest(self, tag: str) -> str | None:
        try:
            found = self.clients.ecr.describe_images(
                repositoryName=self.repository, imageIds=[{"imageTag": tag}]
            )
        except self.clients.ecr.exceptions.ImageNotFoundException:
            return None
        return found["imageDetails"][0]["imageDigest"]

    def _log_tail(self, build: BuildTypeDef) -> str:
        """Return the last lines of the log, if the build has one."""
        location = build.get("logs", {})
        if not location.get("groupName") or not location.get("streamName"):
            return "It has no log."
        try:
            events = self.clients.logs.get_log_events(
                logGroupName=location["groupName"],
                logStreamName=location["streamName"],
                limit=_LOG_LINES,
                startFromHead=False,
            )["events"]
        except ClientError as error:
            return f"Its log cannot be read: {error}"
        return "The end of its log:\n" + "".join(
            f"{event['message'].rstrip()}\n" for event in events
        )


def _key(sources: ImageSources) -> str:
    return f"image-sources/{sources.content_hash}.zip"


def _end(build: BuildTypeDef) -> str:
    """Return the status of a build with the messages of its phases."""
    messages = [
        f"{phase['phaseType']}: {context['message']}"
        for phase in build.get("phases", [])
        for context in phase.get("contexts", [])
        if context.get("message")
    ]
    return " ".join([f"ended as {build['buildStatus']} and left no image", *messages])
