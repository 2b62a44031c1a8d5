"""A Hub and a staging bucket in memory: they keep bytes, and pause to let other threads run."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, cast

from model_import.checksums.crc64 import crc64, joined_crc64
from model_import.checksums.file_hash import git_blob_id, sha256_hex
from model_import.checksums.sha256_state import sha256
from model_import.manifest import RepositoryFile, Slice, Source, Staging
from model_import.staging.hash_checkpoint import HashCheckpoint
from model_import.staging.objects import UploadedPart
from model_import.transfer.file_transfer import Route
from model_import.transfer.part_queue import PartQueue
from model_import.transfer.progress import Tally
from model_import.transfer.range_reads import Patience, RangeReads
from model_import.transport.retries import Retries, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from model_import.sources.hub.range_read import RangeRead
    from model_import.transfer.part_buffers import PartBuffers

SOURCE = Source("http://hub", "acme/tiny", "abc")

type PutOutcome = Literal["stored", "refused", "answer lost"]


def no_pause() -> None:
    """Let no other thread run."""


@dataclass
class MemoryHub:
    """Has files by path; a range arrives in steps, and `read_from` records the reads that began."""

    files: Mapping[str, bytes]
    pause: Callable[[], None] = no_pause
    source: Source = SOURCE
    read_from: list[tuple[str, int]] = field(default_factory=list)

    def open(self, path: str) -> Any:  # noqa: ANN401 what is used of a RemoteFile
        size_bytes, fill = len(self.files[path]), partial(self._fill, path)
        return SimpleNamespace(size_bytes=size_bytes, fill=fill, ignores_range=False)

    def _fill(self, path: str, read: RangeRead) -> None:
        self.read_from.append((path, read.start))
        with read.connection():
            while read.left:
                self.pause()
                count = -(-len(read.left) // 2)
                read.left[:count] = self.files[path][read.position : read.position + count]
                read.advance(count)
                read.check()  # only now: a read that has lost may write once more


@dataclass
class MemoryObjects:
    """Keeps copies of the content, and checks it as S3 does; the id of an upload is its path."""

    pause: Callable[[], None] = no_pause
    put_outcomes: Iterator[PutOutcome] = field(default_factory=lambda: iter(()))
    """The outcomes of the attempts to put a part, in order; afterwards all are stored."""
    stopped: threading.Event = field(default_factory=threading.Event)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    crcs: dict[str, int] = field(default_factory=dict)
    checkpoints: dict[str, bytes] = field(default_factory=dict)
    met: Counter[str] = field(default_factory=Counter)

    def find(self, path: str) -> Any:  # noqa: ANN401 what is used of a StagedObject
        content = self.objects.get(path)
        if content is None:
            return None
        found = sha256_hex(content)
        return SimpleNamespace(sha256_if=lambda file: found if file.sha256 == found else None)

    def find_copy_source(self, _: RepositoryFile) -> None:
        return None

    def find_upload(self, path: str, _: Mapping[str, str]) -> str | None:
        return path if path in self.uploads else None

    def stored_parts(self, upload_id: str) -> list[UploadedPart]:
        return [_uploaded(*part) for part in self.uploads[upload_id].items()]

    def open_upload(self, path: str, _: Mapping[str, str]) -> str:
        self.pause()
        assert path not in self.uploads
        self.uploads[path] = {}
        return path

    def note_hash(self, path: str, sha256: str) -> None:
        assert sha256_hex(self.objects[path]) == sha256

    def read_checkpoint(self, path: str) -> HashCheckpoint | None:
        self.met["checkpoint read"] += path in self.checkpoints
        return HashCheckpoint.from_json(self.checkpoints.get(path, b""))

    def write_checkpoint(self, path: str, checkpoint: HashCheckpoint) -> None:
        parts = [self.uploads[path][number] for number in range(1, checkpoint.parts + 1)]
        assert crc64(b"".join(parts)) == checkpoint.crc
        hashed = sha256(checkpoint.sha256_state).hexdigest()
        assert hashed == sha256_hex(b"".join(parts))
        self.pause()
        self.checkpoints[path] = checkpoint.to_json()
        self.pause()

    def put(self, path: str, content: memoryview, crc: int, _: Mapping[str, str]) -> None:
        received = self._receive(content)
        assert crc64(received) == crc
        self.objects[path] = received
        self.crcs[path] = crc

    def put_part(self, upload_id: str, number: int, content: memoryview, crc: int) -> UploadedPart:
        retries = Retries(1000, self.stopped, sleep=lambda _: self.pause())
        return retries.call(partial(self._put_once, upload_id, number, content, crc))

    def complete_upload(self, path: str, parts: Sequence[UploadedPart]) -> None:
        self.pause()
        stored = self.uploads.pop(path)
        assert [part.number for part in parts] == list(range(1, len(parts) + 1))
        self.objects[path] = b"".join(stored[part.number] for part in parts)
        self.crcs[path] = joined_crc64((part.crc, part.length) for part in parts)
        assert self.crcs[path] == crc64(self.objects[path]), "S3 refuses it: BadDigest"

    def abort(self, upload_id: str) -> None:
        del self.uploads[upload_id]

    def _put_once(self, upload_id: str, number: int, content: memoryview, crc: int) -> UploadedPart:
        received = self._receive(content)
        outcome = next(self.put_outcomes, "stored")
        self.met[f"put: {outcome}"] += 1
        if outcome == "refused":
            raise TransientError("SlowDown")
        assert crc64(received) == crc, "S3 refuses it: BadDigest"
        self.uploads[upload_id][number] = received
        self.pause()
        if outcome == "answer lost":
            raise TransientError("reset")
        return _uploaded(number, received)

    def _receive(self, content: memoryview) -> bytes:
        half = len(content) // 2
        received = bytes(content[:half])
        self.pause()
        return received + bytes(content[half:])


def files_of(hub: MemoryHub) -> tuple[RepositoryFile, ...]:
    """Return the files as the Hub announces them."""
    return tuple(
        RepositoryFile(path, len(content), git_blob_id(memoryview(content)), sha256_hex(content))
        for path, content in hub.files.items()
    )


def route_between(  # noqa: PLR0913 the two ends, and what lies between them
    hub: MemoryHub,
    objects: MemoryObjects,
    buffers: PartBuffers,
    *,
    checkpoint_parts: int,
    patience: Patience | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Route:
    """Return the route of a slice that has all files of the Hub."""
    slice_ = Slice(SOURCE, Staging("bucket", "models/"), files_of(hub), "r.json", "p.json", 1)
    tally, queue = Tally(slice_), PartQueue(pending=len(hub.files))
    return Route(
        hub=cast("Any", hub),
        buffers=buffers,
        objects=cast("Any", objects),
        tally=tally,
        reads=RangeReads(buffers, queue, tally, patience or Patience(), clock),
        queue=queue,
        checkpoint_parts=checkpoint_parts,
    )


def _uploaded(number: int, content: bytes) -> UploadedPart:
    return UploadedPart(number, f"etag-{number}", crc64(content), len(content))
