"""What travels between the states: the manifest, and the slice of it that one task transfers.

Both live in S3 under `imports/<execution>/`; the states carry references only, since a state's
payload ends at 256 KiB and a task's overrides at 8,192 characters.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

VERSION = 1

type FileKind = Literal["weights", "metadata"]


@dataclass(frozen=True, slots=True)
class Source:
    """A repository at one commit; everything after the resolution of the revision reads this."""

    endpoint: str
    repo_id: str
    commit: str


@dataclass(frozen=True, slots=True)
class RepositoryFile:
    """A file at the Hub: `sha256` for what the Hub keeps in LFS, the git `blob_id` for the rest."""

    path: str
    size_bytes: int
    blob_id: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A file as it must lie under the staging prefix, relative to it.

    `sha256` is None where the Hub announces none; then the one that the transfer recorded counts.
    """

    path: str
    size_bytes: int
    sha256: str | None
    kind: FileKind


@dataclass(frozen=True, slots=True)
class Staging:
    """Where the copy that Bedrock reads is built; `prefix` ends in a slash.

    `tagging` is what its objects are tagged with, as S3 takes it: a query string.
    """

    bucket: str
    prefix: str
    tagging: str = ""

    @property
    def s3_uri(self) -> str:
        """Return the URI that the import job is given."""
        return f"s3://{self.bucket}/{self.prefix}"

    def key(self, path: str) -> str:
        """Return the object key of a file of the repository."""
        return self.prefix + path


@dataclass(frozen=True, slots=True)
class PartRun:
    """Parts `first_number` and on, beginning at 1, of a file that several tasks move."""

    file: RepositoryFile
    part_bytes: int
    first_number: int
    count: int

    @property
    def byte_range(self) -> range:
        """Return the bytes of the file that the parts are."""
        start = (self.first_number - 1) * self.part_bytes
        return range(start, min(start + self.count * self.part_bytes, self.file.size_bytes))

    @property
    def size_bytes(self) -> int:
        """Return the bytes of the parts."""
        return len(self.byte_range)


@dataclass(frozen=True, slots=True)
class Slice:
    """What one transfer task moves, and where it leaves its report, its progress and its claims.

    Parts have `part_bytes_at_least`, or more where S3 would take fewer of them. A claim says which
    slice verifies a file that several move.
    """

    source: Source
    staging: Staging
    files: tuple[RepositoryFile, ...]
    report_key: str
    progress_key: str
    part_bytes_at_least: int
    part_runs: tuple[PartRun, ...] = ()
    claims_prefix: str = ""

    @property
    def size_bytes(self) -> int:
        """Return the bytes of all files and parts of the slice."""
        whole = sum(file.size_bytes for file in self.files)
        return whole + sum(run.size_bytes for run in self.part_runs)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that lies in S3."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read the JSON object that `to_dict` wrote."""
        return cls(
            source=Source(**data["source"]),
            staging=Staging(**data["staging"]),
            files=tuple(RepositoryFile(**file) for file in data["files"]),
            report_key=data["report_key"],
            progress_key=data["progress_key"],
            part_bytes_at_least=data["part_bytes_at_least"],
            part_runs=tuple(
                PartRun(**{**run, "file": RepositoryFile(**run["file"])})
                for run in data["part_runs"]
            ),
            claims_prefix=data["claims_prefix"],
        )


@dataclass(frozen=True, slots=True)
class TransferredFile:
    """What became of one file: moved, copied within the bucket, or skipped since it was there."""

    path: str
    size_bytes: int
    sha256: str
    action: Literal["transferred", "copied", "skipped"]
    seconds: float


@dataclass(frozen=True, slots=True)
class TransferReport:
    """What one transfer task did; `bytes_moved` counts what crossed the network once."""

    files: tuple[TransferredFile, ...]
    bytes_moved: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that lies in S3."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read the JSON object that `to_dict` wrote."""
        return cls(
            files=tuple(TransferredFile(**file) for file in data["files"]),
            bytes_moved=data["bytes_moved"],
            seconds=data["seconds"],
        )


@dataclass(frozen=True, slots=True)
class Manifest:
    """The record of one import: what was planned and where it is staged, with hashes."""

    execution_name: str
    source: Source
    revision: str
    model_name: str
    staging: Staging
    files: tuple[StagedFile, ...]
    report_keys: tuple[str, ...]
    normalisations: tuple[dict[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that lies in S3."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read the JSON object that `to_dict` wrote."""
        return cls(
            execution_name=data["execution_name"],
            source=Source(**data["source"]),
            revision=data["revision"],
            model_name=data["model_name"],
            staging=Staging(**data["staging"]),
            files=tuple(StagedFile(**file) for file in data["files"]),
            report_keys=tuple(data["report_keys"]),
            normalisations=tuple(data.get("normalisations", ())),
        )
