"""One file in parts that come in any order, between a Hub and an S3 that are mere objects."""

from __future__ import annotations

from typing import Any, cast

from hypothesis import given, settings, strategies as st
from loopback_transfer import bytes_of
from memory_staging import SOURCE, MemoryHub, MemoryObjects

from model_import.crc64 import crc64
from model_import.file_hash import git_blob_id, sha256_hex
from model_import.file_transfer import FileTransfer, Route
from model_import.manifest import RepositoryFile, Slice, Staging
from model_import.part_buffers import PartBuffers
from model_import.part_queue import PartQueue
from model_import.progress import Tally
from model_import.range_reads import Patience, RangeReads


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
        hub=cast("Any", MemoryHub({"a": content})),
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
    assert objects.crcs == {"a": crc64(content)}
    assert [file.sha256 for file in tally.report().files] == [sha256_hex(content)]
    assert tally.progress().bytes_done == tally.progress().bytes_arrived == size
    assert queue.take() is None
    assert buffers._places == len(order)
