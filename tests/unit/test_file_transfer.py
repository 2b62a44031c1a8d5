"""One file in parts that come in any order, between a Hub and an S3 that are mere objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from hypothesis import given, settings, strategies as st
from loopback_transfer import bytes_of

from model_import.crc64 import crc64, joined_crc64
from model_import.file_hash import git_blob_id, sha256_hex
from model_import.file_transfer import FileTransfer, Route
from model_import.manifest import RepositoryFile, Slice, Source, Staging
from model_import.part_buffers import PartBuffers
from model_import.part_queue import PartQueue
from model_import.progress import Tally
from model_import.range_reads import Patience, RangeReads
from model_import.sha256_state import sha256
from model_import.uploaded_part import UploadedPart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from model_import.checkpoint import Checkpoint
    from model_import.range_read import RangeRead

SOURCE = Source("http://hub", "acme/tiny", "abc")


@dataclass
class MemoryHub:
    """Holds one file."""

    content: bytes
    source: Source = SOURCE

    def open(self, _: str) -> Any:  # noqa: ANN401 what is used of a RemoteFile
        return SimpleNamespace(size_bytes=len(self.content), fill=self._fill, ignores_range=False)

    def _fill(self, read: RangeRead) -> None:
        count = len(read.left)
        read.left[:] = self.content[read.start : read.end]
        read.advance(count)


@dataclass
class MemoryObjects:
    """Keeps copies of what it is given, as S3 does."""

    parts: dict[int, bytes] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    crcs: list[int] = field(default_factory=list)

    def find(self, _: str) -> None:
        return None

    def find_copy_source(self, _: RepositoryFile) -> None:
        return None

    def find_upload(self, _: str, __: Mapping[str, str]) -> None:
        return None

    def note_hash(self, path: str, sha256: str) -> None:
        assert sha256_hex(self.objects[path]) == sha256

    def write_checkpoint(self, _: str, checkpoint: Checkpoint) -> None:
        parts = [self.parts[number] for number in range(1, checkpoint.parts + 1)]
        assert crc64(b"".join(parts)) == checkpoint.crc
        hashed = sha256(checkpoint.sha256_state).hexdigest()
        assert hashed == sha256_hex(b"".join(parts))

    def put(self, path: str, content: memoryview, crc: int, _: Mapping[str, str]) -> None:
        self.objects[path] = bytes(content)
        self.crcs.append(crc)

    def open_upload(self, path: str, _: Mapping[str, str]) -> str:
        return path

    def put_part(self, _: str, number: int, content: memoryview, crc: int) -> UploadedPart:
        self.parts[number] = bytes(content)
        return UploadedPart(number, f"etag-{number}", crc, len(content))

    def complete_upload(self, path: str, parts: Sequence[UploadedPart]) -> None:
        assert [part.number for part in parts] == list(range(1, len(parts) + 1))
        self.objects[path] = b"".join(self.parts[part.number] for part in parts)
        self.crcs.append(joined_crc64((part.crc, part.length) for part in parts))


@st.composite
def files_in_any_order(draw: st.DrawFn) -> tuple[int, int, list[int]]:
    """Return a part size, a file size around a multiple of it, and an order of the parts."""
    part_bytes = draw(st.integers(1, 50))
    size = max(0, part_bytes * draw(st.integers(0, 6)) + draw(st.integers(-1, 1)))
    return part_bytes, size, draw(st.permutations(range(max(1, -(-size // part_bytes)))))


@settings(deadline=None)
@given(files_in_any_order(), st.integers(1, 3))
def test_any_size_and_any_order_of_parts_give_the_same_bytes_and_hashes(
    case: tuple[int, int, list[int]], checkpoint_parts: int
) -> None:
    part_bytes, size, order = case
    content = bytes_of(size)
    file = RepositoryFile("a", size, git_blob_id(memoryview(content)), sha256_hex(content))
    slice_ = Slice(SOURCE, Staging("bucket", "models/"), (file,), "report.json", "progress.json")
    objects, tally = MemoryObjects(), Tally(slice_)
    buffers = PartBuffers(len(order), part_bytes)
    queue = PartQueue(pending=1)
    route = Route(
        hub=cast("Any", MemoryHub(content)),
        buffers=buffers,
        objects=cast("Any", objects),
        tally=tally,
        reads=RangeReads(buffers, queue, tally, Patience()),
        queue=queue,
        checkpoint_parts=checkpoint_parts,
    )
    transfer = FileTransfer(file, part_bytes, route)

    assert transfer.part_count == len(order)
    for index in order:
        transfer.move_part(index, buffers.acquire())

    assert objects.objects == {"a": content}
    assert objects.crcs == [crc64(content)]
    assert [file.sha256 for file in tally.report().files] == [sha256_hex(content)]
    assert tally.progress().bytes_done == tally.progress().bytes_arrived == size
    assert queue.take() is None
    assert buffers._places == len(order)
