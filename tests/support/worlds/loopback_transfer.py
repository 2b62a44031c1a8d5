"""A Hub and an S3 on loopback with one repository and one bucket, and a slice between them."""

from __future__ import annotations

import hashlib
import math
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import boto3
from botocore.config import Config
from moto.backends import list_of_moto_modules
from moto.server import ThreadedMotoServer
from support.waiting import HANG_SECONDS

from model_import.manifest import RepositoryFile, Slice, Source, Staging
from model_import.sources.hub.files import HubFiles
from model_import.staging.presigned_puts import PRESIGNING
from model_import.transfer.range_reads import Patience
from model_import.transfer.slice_transfer import TransferSettings, transfer_slice
from model_import_cli.folder_hub.repositories import Repository, read_snapshot
from model_import_cli.folder_hub.server import LocalHub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from model_import.manifest import TransferReport
    from model_import.transfer.progress import Progress
    from model_import_cli.folder_hub.faults import Fault

REGION: Final = "us-east-1"
BUCKET: Final = "staging"
PREFIX: Final = "models/tiny/"
REPO_ID: Final = "acme/tiny-llama"
CREDENTIALS: Final[dict[str, Any]] = {
    "aws_access_key_id": "testing",
    "aws_secret_access_key": "testing",
}
"""Moto accepts any values."""


def bytes_of(length: int, seed: int = 0) -> bytes:
    """Return bytes that look random and differ from seed to seed."""
    return hashlib.shake_128(b"%d" % seed).digest(length)


def no_sleep(_: float) -> None:
    """Do not wait, in place of a backoff."""


@contextmanager
def moto_server() -> Iterator[str]:
    """Run moto on a loopback port; yield its URL."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    modules = tuple(list_of_moto_modules())  # of which moto makes a list at every request
    try:
        with mock.patch("moto.backends.list_of_moto_modules", return_value=modules):
            yield f"http://{host}:{port}"
    finally:
        server.stop()
        if server._server is not None:  # `stop` leaves the socket open
            server._server.server_close()


def s3_client(url: str, attempts: int = 8) -> S3Client:
    """Return a client as a transfer needs it."""
    tried = Config(retries={"mode": "standard", "total_max_attempts": attempts})
    config = PRESIGNING.merge(tried)
    return boto3.client("s3", endpoint_url=url, region_name=REGION, config=config, **CREDENTIALS)


@dataclass
class Rig:
    """All that a test of the transfer uses."""

    s3_url: str
    s3: S3Client
    hub: LocalHub
    files: tuple[RepositoryFile, ...]
    source: Source
    folder: Path
    refs: dict[str, Path]
    """The refs of the Hub in addition to main; a change here changes the Hub."""
    token: str | None = None
    part_bytes: int = 1000
    """The part size in the slice."""
    progress: list[Progress] = field(default_factory=list)

    @property
    def slice(self) -> Slice:
        """Return the slice that moves the whole repository."""
        return Slice(
            self.source,
            Staging(BUCKET, PREFIX, "team=nlp"),
            self.files,
            "imports/1/report-0.json",
            "imports/1/progress-0.json",
            self.part_bytes,
        )

    def transfer(
        self,
        slice_: Slice | None = None,
        *,
        on_progress: Callable[[Progress], None] | None = None,
        read_timeout_seconds: float = HANG_SECONDS,
        hub_attempts: int = 8,
        sleep: Callable[[float], object] = no_sleep,
        **settings: Any,  # noqa: ANN401 those of TransferSettings
    ) -> TransferReport:
        """Run a transfer that does not wait between attempts."""
        small: dict[str, Any] = {"connections": 4, "spare_buffers": 2}
        patient = {"patience": Patience(math.inf, math.inf), "stop_seconds": HANG_SECONDS}
        hub_files = HubFiles(
            self.source,
            self.token,
            connections=4,
            read_timeout_seconds=read_timeout_seconds,
            attempts=hub_attempts,
            sleep=sleep,
        )
        try:
            return transfer_slice(
                slice_ or self.slice,
                hub_files,
                self.s3,
                TransferSettings(**{**small, **patient, **settings}),
                on_progress or self.progress.append,
                sleep=sleep,
            )
        finally:
            hub_files.close()

    def stored(self, path: str) -> bytes:
        """Return the bytes of an object."""
        return self.s3.get_object(Bucket=BUCKET, Key=PREFIX + path)["Body"].read()

    def stored_paths(self) -> list[str]:
        """Return the paths of the objects under the staging prefix."""
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=PREFIX)
        return [entry["Key"].removeprefix(PREFIX) for entry in listed.get("Contents", [])]

    def open_uploads(self) -> list[str]:
        """Return the keys of uploads that are neither completed nor aborted."""
        listed = self.s3.list_multipart_uploads(Bucket=BUCKET)
        return [upload["Key"] for upload in listed.get("Uploads", [])]


@contextmanager
def rig(  # noqa: PLR0913 settings, each with its default
    s3_url: str,
    directory: Path,
    files: Mapping[str, bytes],
    *,
    faults: Iterable[Fault] = (),
    s3_attempts: int = 8,
    token: str | None = None,
    **repository: Any,  # noqa: ANN401 settings of model_import_cli.folder_hub.repositories.Repository
) -> Iterator[Rig]:
    """Serve files as a repository, and create an empty bucket for them."""
    folder = directory / REPO_ID
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    snapshot = read_snapshot(folder)
    refs: dict[str, Path] = {}
    listed = tuple(
        RepositoryFile(name, file.size_bytes, file.blob_id, file.lfs.sha256 if file.lfs else None)
        for name, file in ((name, snapshot.files[name]) for name in files)
    )
    s3 = s3_client(s3_url, s3_attempts)
    with ExitStack() as stack:
        stack.callback(s3.close)
        s3.create_bucket(Bucket=BUCKET)
        stack.callback(_delete_bucket, s3)
        hub = stack.enter_context(
            LocalHub([Repository(REPO_ID, folder, refs=refs, **repository)], faults=faults)
        )
        source = Source(hub.endpoint, REPO_ID, snapshot.commit)
        yield Rig(s3_url, s3, hub, listed, source, folder, refs, token)


def _delete_bucket(s3: S3Client) -> None:
    for entry in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        s3.delete_object(Bucket=BUCKET, Key=entry["Key"])
    for upload in s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []):
        s3.abort_multipart_upload(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])
    s3.delete_bucket(Bucket=BUCKET)
