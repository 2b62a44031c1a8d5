"""The compared ways from the Hub to S3: this transfer, its peers, and the floor."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final

from awscrt.checksums import crc64nvme

from benchmarks.measure import Command
from benchmarks.source import COMMIT, REPO_ID
from benchmarks.stage import BUCKET, PROJECT
from model_import.manifest import RepositoryFile, Slice, Source, Staging

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.content import ContentFile
    from benchmarks.environments import Environment
    from benchmarks.stage import Stage


@dataclass(frozen=True, slots=True)
class Concurrency:
    """How much is in flight at once, for all ways that can be configured."""

    connections: int
    part_bytes: int

    def streams(self, files: int) -> int:
        """Return the connections of a peer for one file; at least 4, the default of rclone."""
        return max(4, self.connections // files)


@dataclass(frozen=True, slots=True)
class Job:
    """One run of one way: its source, destination and settings."""

    stage: Stage
    prefix: str
    concurrency: Concurrency
    environments: Mapping[str, Environment]

    @property
    def environ(self) -> dict[str, str]:
        """Return the variables that configure each program to use the servers."""
        stage = self.stage
        told = {
            "AWS_ACCESS_KEY_ID": "benchmark",
            "AWS_SECRET_ACCESS_KEY": "benchmark",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": stage.s3_url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": str(stage.folder / "aws.ini"),
            "HF_ENDPOINT": stage.hub_url,
            "HF_HOME": str(stage.folder / "hf"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }
        names = ("AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
        trusted = str(stage.ca_bundle) if stage.ca_bundle else ""
        return told | (dict.fromkeys(names, trusted) if trusted else {})

    @property
    def s3_uri(self) -> str:
        """Return the destination of the files."""
        return f"s3://{BUCKET}/{self.prefix}"

    def program(self, environment: str, name: str) -> str:
        """Return the path of a peer's program."""
        return self.environments[environment].program(name)

    def write(self, name: str, text: str) -> str:
        """Write a file that a program needs; return its path."""
        path = self.stage.folder / name
        path.write_text(text)
        return str(path)

    def script(self, *argv: str) -> Command:
        """Return a command that runs in the working folder, without a shell."""
        return Command(argv, self.environ, self.stage.folder)

    def shell(self, *lines: str) -> Command:
        """Return a command of shell lines, which ends at the first that fails."""
        return self.script("/bin/bash", "-c", "\n".join(("set -euo pipefail", *lines)))

    def to_json(self) -> str:
        """Return the job for the benchmark's own programs."""
        stage = self.stage
        described = {
            "resolve_url": f"{stage.hub_url}/{REPO_ID}/resolve/{COMMIT}",
            "cdn_url": stage.cdn_url,
            "s3_url": stage.s3_url,
            "bucket": BUCKET,
            "prefix": self.prefix,
            "ca_bundle": str(stage.ca_bundle) if stage.ca_bundle else None,
            "files": [asdict(file) for file in stage.files],
            "threads": self.concurrency.connections,
            "streams": self.concurrency.streams(len(stage.files)),
            "part_bytes": self.concurrency.part_bytes,
        }
        return json.dumps(described)


@dataclass(frozen=True, slots=True)
class Way:
    """A way from the Hub to S3; `environments` are those of its programs."""

    name: str
    label: str
    commands: Callable[[Job], Sequence[Command]]
    verifies: bool = True
    """Whether it compares the SHA-256 of the moved bytes with the Hub's."""
    environments: tuple[str, ...] = ()


def _ours(job: Job) -> list[Command]:
    return [_transfer_program(job, job.stage.files, 0)]


def _ours_twice(job: Job) -> list[Command]:
    files = job.stage.files
    return [_transfer_program(job, files[start::2], start) for start in range(2)]


def _on_a_core_each(commands: Sequence[Command]) -> list[Command]:
    return [
        replace(command, argv=("taskset", "--cpu-list", str(core), *command.argv))
        for core, command in enumerate(commands)
    ]


def _transfer_program(job: Job, files: Sequence[ContentFile], number: int) -> Command:
    """Return the program of the transfer task, as ECS starts it."""
    slice_ = Slice(
        source=Source(job.stage.hub_url, REPO_ID, COMMIT),
        staging=Staging(BUCKET, job.prefix),
        files=tuple(
            RepositoryFile(file.path, file.size_bytes, "0" * 40, file.sha256) for file in files
        ),
        report_key=f"imports/benchmark/transfers/{number}.json",
        progress_key=f"imports/benchmark/progress/{number}.json",
        part_bytes_at_least=job.concurrency.part_bytes,
    )
    content = json.dumps(slice_.to_dict()).encode()
    key = f"imports/benchmark/slices/{number}.json"
    job.stage.records.put_object(key, len(content), crc64nvme(content), {}, content)
    environ = {
        **job.environ,
        "SLICE_URI": f"s3://{BUCKET}/{key}",
        "TRANSFER_CONNECTIONS": str(job.concurrency.connections),
    }
    argv = (job.program("transfer", "python"), "-m", "transfer_model")
    return Command(argv, environ, PROJECT / "functions")


def _floor(job: Job) -> list[Command]:
    python = job.program("transfer", "python")
    argv = (python, "-m", "benchmarks.floor", job.write("job.json", job.to_json()))
    return [Command(argv, job.environ, PROJECT)]


def _hf_download(job: Job) -> str:
    hf = job.program("hf", "hf")
    return f"{hf} download {REPO_ID} --revision {COMMIT} --local-dir model >/dev/null"


def _aws_copy(job: Job, aws: str) -> str:
    given = f"--endpoint-url {job.stage.s3_url} --exclude '.cache/*' --no-progress"
    return f"{aws} s3 cp model {job.s3_uri} --recursive {given}"


def _disk_then_aws(job: Job) -> list[Command]:
    """Return the way of the guides: download all, then upload all, with the defaults of both."""
    return [job.shell(_hf_download(job), _aws_copy(job, job.program("aws", "aws")))]


def _disk_then_aws_crt(job: Job) -> list[Command]:
    job.write("aws.ini", "[default]\ns3 =\n  preferred_transfer_client = crt\n")
    return [job.shell(_hf_download(job), _aws_copy(job, job.program("aws2", "aws")))]


def _disk_then_crt(job: Job) -> list[Command]:
    python = job.program("boto3", "python")
    script = PROJECT / "benchmarks/peers/crt_upload.py"
    job_file = job.write("job.json", job.to_json())
    return [job.shell(_hf_download(job), f"{python} {script} {job_file}")]


def _curl_to_aws(job: Job) -> list[Command]:
    curl, aws = job.program("curl", "curl"), job.program("aws", "aws")
    files = job.stage.files
    lines = [
        f"{{ {curl} --silent --show-error --fail --location {job.stage.resolve_url(file)} "
        f"| tee >(sha256sum > {file.path}.sha256) "
        f"| {aws} s3 cp - {job.s3_uri}{file.path} --expected-size {file.size_bytes}; }} &"
        for file in files
    ]
    listed = shlex.quote("\n".join(f"{file.sha256}  -" for file in files))
    hashed = " ".join(f"{file.path}.sha256" for file in files)
    waits = ["for job in $(jobs -p); do wait $job; done"]
    return [job.shell(*lines, *waits, f"diff <(cat {hashed}) <(echo {listed})")]


def _rclone(job: Job, given: Mapping[str, str]) -> list[Command]:
    stage = job.stage
    options = {
        "--config": "/dev/null",
        "--http-url": f"{stage.hub_url}/{REPO_ID}/resolve/{COMMIT}/",
        "--s3-provider": "Other",
        "--s3-endpoint": stage.s3_url,
        "--s3-region": "us-east-1",
        "--s3-env-auth": "true",
        # The sink accepts no MD5, which would cost more than all its other work.
        "--s3-use-multipart-etag": "false",
        "--s3-disable-checksum": "true",
        **({"--ca-cert": str(stage.ca_bundle)} if stage.ca_bundle else {}),
        **given,
    }
    argv = (job.program("rclone", "rclone"), "copy", ":http:", f":s3:{BUCKET}/{job.prefix}")
    return [job.script(*argv, *(f"{name}={value}" for name, value in options.items()))]


def _rclone_defaults(job: Job) -> list[Command]:
    return _rclone(job, {})


def _rclone_tuned(job: Job) -> list[Command]:
    streams = str(job.concurrency.streams(len(job.stage.files)))
    chunk = f"{job.concurrency.part_bytes}B"
    given = {
        "--s3-chunk-size": chunk,
        "--s3-upload-concurrency": streams,
        "--multi-thread-streams": streams,
        "--multi-thread-cutoff": chunk,
        "--multi-thread-chunk-size": chunk,
    }
    return _rclone(job, given)


def _python_peer(job: Job, environment: str, script: str, *options: str) -> list[Command]:
    path = str(PROJECT / "benchmarks/peers" / script)
    python = job.program(environment, "python")
    return [job.script(python, path, job.write("job.json", job.to_json()), *options)]


def _boto3_fileobj(job: Job) -> list[Command]:
    return _python_peer(job, "boto3", "boto3_fileobj.py")


def _obstore_stream(job: Job) -> list[Command]:
    return _python_peer(job, "obstore", "obstore_stream.py")


def _obstore_stream_sha256(job: Job) -> list[Command]:
    return _python_peer(job, "obstore", "obstore_stream.py", "--sha256")


def _obstore_ranges(job: Job) -> list[Command]:
    return _python_peer(job, "obstore", "obstore_ranges.py")


OURS: Final = Way("ours", "**this transfer**", _ours, environments=("transfer",))
OURS_TWICE: Final = Way(
    "ours_twice", "this transfer, two processes", _ours_twice, environments=("transfer",)
)
OURS_ON_A_CORE: Final = Way(
    "ours_on_a_core",
    "this transfer, on one core",
    lambda job: _on_a_core_each(_ours(job)),
    environments=("transfer",),
)
OURS_TWICE_ON_CORES: Final = Way(
    "ours_twice_on_cores",
    "this transfer, two, on a core each",
    lambda job: _on_a_core_each(_ours_twice(job)),
    environments=("transfer",),
)
OWN: Final = (OURS, OURS_TWICE, OURS_ON_A_CORE, OURS_TWICE_ON_CORES)
FLOOR: Final = Way(
    "floor",
    "floor: receive, SHA-256, CRC-64, send",
    _floor,
    verifies=False,
    environments=("transfer",),
)
DISK_AWS: Final = Way(
    "disk_aws",
    "`hf download`, then `aws s3 cp`",
    _disk_then_aws,
    verifies=False,
    environments=("hf", "aws"),
)
DISK_AWS_CRT: Final = Way(
    "disk_aws_crt",
    "`hf download`, then `aws s3 cp` (CLI 2, CRT)",
    _disk_then_aws_crt,
    verifies=False,
    environments=("hf", "aws2"),
)
DISK_CRT: Final = Way(
    "disk_crt",
    "`hf download`, then s3transfer upload (CRT)",
    _disk_then_crt,
    verifies=False,
    environments=("hf", "boto3"),
)
CURL_AWS: Final = Way(
    "curl_aws",
    "`curl`, `tee sha256sum`, `aws s3 cp -`",
    _curl_to_aws,
    environments=("curl", "aws"),
)
BOTO3_FILEOBJ: Final = Way(
    "boto3_fileobj", "boto3 `upload_fileobj` + SHA-256", _boto3_fileobj, environments=("boto3",)
)
RCLONE: Final = Way(
    "rclone", "rclone, its defaults", _rclone_defaults, verifies=False, environments=("rclone",)
)
RCLONE_TUNED: Final = Way(
    "rclone_tuned",
    "rclone, connections and parts as ours",
    _rclone_tuned,
    verifies=False,
    environments=("rclone",),
)
OBSTORE_STREAM: Final = Way(
    "obstore_stream", "obstore stream", _obstore_stream, verifies=False, environments=("obstore",)
)
OBSTORE_STREAM_SHA256: Final = Way(
    "obstore_stream_sha256",
    "obstore stream + SHA-256",
    _obstore_stream_sha256,
    environments=("obstore",),
)
OBSTORE_RANGES: Final = Way(
    "obstore_ranges", "obstore ranges + SHA-256", _obstore_ranges, environments=("obstore",)
)
ALL: Final = (
    OURS,
    DISK_AWS,
    DISK_AWS_CRT,
    DISK_CRT,
    CURL_AWS,
    BOTO3_FILEOBJ,
    RCLONE,
    RCLONE_TUNED,
    OBSTORE_STREAM,
    OBSTORE_STREAM_SHA256,
    OBSTORE_RANGES,
    FLOOR,
)
