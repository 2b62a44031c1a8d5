"""The stage of a benchmark: the files, and the source and the sink in their own processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.certificates import make_certificates
from benchmarks.content import POOL_PAGES, ContentFile, describe_files, write_pool
from benchmarks.http_wire import LOOPBACK, Network
from benchmarks.sink_records import SinkRecords
from benchmarks.source import COMMIT, REPO_ID

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.http_wire import Tls

PROJECT: Final = Path(__file__).parent.parent
HASHES: Final = PROJECT / "benchmarks/.cache/hashes.json"
BUCKET: Final = "benchmark"
_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 a private folder is created in it


class WrongBytesError(Exception):
    """The sink did not receive the bytes that the source sent."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The source and the destination of the files."""

    files: tuple[ContentFile, ...]
    hub_url: str
    cdn_url: str
    s3_url: str
    records: SinkRecords
    folder: Path
    """A folder on disk that is empty when a way starts."""
    ca_bundle: Path | None

    @property
    def size_bytes(self) -> int:
        """Return the bytes of all files."""
        return sum(file.size_bytes for file in self.files)

    def resolve_url(self, file: ContentFile) -> str:
        """Return the Hub's URL of a file."""
        return f"{self.hub_url}/{REPO_ID}/resolve/{COMMIT}/{file.path}"

    def clear(self) -> None:
        """Delete the sink's records, and empty the working folder."""
        self.records.clear()
        for leftover in self.folder.iterdir():
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()

    def check_received(self, prefix: str) -> None:
        """Compare every object with the bytes that the source sent.

        Raises:
            WrongBytesError: one is missing, or its size or CRC-64/NVME differs.
        """
        for file in self.files:
            received = self.records.object(prefix + file.path)
            if received is None:
                raise WrongBytesError(f"{prefix + file.path} has not arrived")
            if (received.size_bytes, received.crc64) != (file.size_bytes, file.crc64):
                message = f"{prefix + file.path}: {received.size_bytes} bytes of other content"
                raise WrongBytesError(message)


@dataclass(frozen=True, slots=True)
class StageSettings:
    """The settings of the servers."""

    sizes: tuple[int, ...]
    network: Network = LOOPBACK
    tls: bool = False
    pool_pages: int = POOL_PAGES
    hashes: Path = HASHES
    server_processes: int = 2


@contextmanager
def set_stage(settings: StageSettings) -> Iterator[Stage]:
    """Start the servers, and stop them at the end."""
    in_memory = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else None
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-", dir=in_memory) as memory,
        tempfile.TemporaryDirectory(prefix="benchmark-") as disk,
    ):
        pool = write_pool(Path(memory) / "pool", settings.pool_pages)
        files = describe_files(pool, settings.sizes, settings.hashes)
        ca_bundle, tls = make_certificates(Path(memory)) if settings.tls else (None, None)
        job = _server_job(settings, tls) | {
            "pool": {"path": str(pool.path), "size_bytes": pool.size_bytes},
            "files": [asdict(file) for file in files],
            "records": str(Path(memory) / "records"),
        }
        job_file = Path(memory) / "job.json"
        job_file.write_text(json.dumps(job))
        scheme = "https" if settings.tls else "http"
        with _server("source", job_file) as hub_ports, _server("sink", job_file) as s3_ports:
            hub_url, cdn_url, s3_url = (
                f"{scheme}://127.0.0.1:{port}" for port in (*hub_ports, *s3_ports)
            )
            records = SinkRecords(Path(job["records"]))
            yield Stage(files, hub_url, cdn_url, s3_url, records, Path(disk), ca_bundle)


def _server_job(settings: StageSettings, tls: Tls | None) -> dict[str, Any]:
    return {
        "network": asdict(settings.network),
        "tls": [str(tls.certificate), str(tls.key)] if tls else None,
        "processes": settings.server_processes,
    }


@contextmanager
def _server(name: str, job_file: Path) -> Iterator[Sequence[int]]:
    """Run a server; yield the ports that it prints."""
    process = subprocess.Popen(  # noqa: S603 this project's own
        [sys.executable, "-m", f"benchmarks.{name}", str(job_file)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        if process.stdout is None or process.stdin is None:
            raise AssertionError
        yield json.loads(process.stdout.readline())
        process.stdin.close()


def equal_sizes(total_bytes: int, count: int) -> tuple[int, ...]:
    """Return the sizes of files that share `total_bytes`, the last one a little longer."""
    each = total_bytes // count
    return (each,) * (count - 1) + (total_bytes - each * (count - 1),)
