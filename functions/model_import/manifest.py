"""What the states pass on: the manifest, and the slices of it, one for each transfer task.

Both are in S3 under `imports/<execution>/`, and the states pass only references: the payload of a
state is limited to 256 KiB, and the overrides of a task to 8,192 characters.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

VERSION = 1

type FileKind = Literal["weights", "metadata"]


@dataclass(frozen=True, slots=True)
class Source:
    """A repository at one commit; every step after the revision is resolved reads this commit."""

    endpoint: str
    repo_id: str
    commit: str


@dataclass(frozen=True, slots=True)
class RepositoryFile:
    """A file on the Hub: LFS files have a `sha256`, other files only the git `blob_id`."""

    path: str
    size_bytes: int
    blob_id: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A file as it must be in the staging area; `path` is relative to the staging prefix.

    `sha256` is None if the Hub announces none; then the transfer records the SHA-256.
    """

    path: str
    size_bytes: int
    sha256: str | None
    kind: FileKind


@dataclass(frozen=True, slots=True)
class Staging:
    """Where the copy that Bedrock reads is built; `prefix` ends in a slash.

    `tagging` has the tags of its objects in the form that S3 accepts: a query string.
    """

    bucket: str
    prefix: str
    tagging: str = ""

    @property
    def s3_uri(self) -> str:
        """Return the URI for the import job."""
        return f"s3://{self.bucket}/{self.prefix}"

    def key(self, path: str) -> str:
        """Return the object key of a file of the repository."""
        return self.prefix + path


@dataclass(frozen=True, slots=True)
class PartRun:
    """Parts of a file that several tasks move: `count` parts from `first_number` (1 or more)."""

    file: RepositoryFile
    part_bytes: int
    first_number: int
    count: int

    @property
    def byte_range(self) -> range:
        """Return the byte range of the parts in the file."""
        start = (self.first_number - 1) * self.part_bytes
        return range(start, min(start + self.count * self.part_bytes, self.file.size_bytes))

    @property
    def size_bytes(self) -> int:
        """Return the number of bytes in the parts."""
        return len(self.byte_range)


@dataclass(frozen=True, slots=True)
class Slice:
    """What one transfer task moves, and where it writes its report, its progress and its claims.

    Parts have `part_bytes_at_least`, or more if the file would have too many parts for S3. A claim
    says which slice verifies a file that several slices move.
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
        """Return the JSON object that is stored in S3."""
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
    """The result for one file: transferred, copied within the bucket, or already there."""

    path: str
    size_bytes: int
    sha256: str
    action: Literal["transferred", "copied", "skipped"]
    seconds: float


@dataclass(frozen=True, slots=True)
class TransferReport:
    """What one transfer task did; `bytes_moved` counts each byte from the Hub once."""

    files: tuple[TransferredFile, ...]
    bytes_moved: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that is stored in S3."""
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
        """Return the JSON object that is stored in S3."""
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
