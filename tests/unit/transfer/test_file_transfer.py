"""One file in parts that come in any order, between a Hub and an S3 that are mere objects."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st
from support.fakes.memory_staging import MemoryHub, MemoryObjects, files_of, route_between
from support.worlds.loopback_transfer import bytes_of

from model_import.checksums.crc64 import crc64
from model_import.transfer.file_transfer import FileTransfer
from model_import.transfer.part_buffers import PartBuffers


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
    hub, objects = MemoryHub({"a": bytes_of(size)}), MemoryObjects()
    buffers = PartBuffers(len(order), part_bytes)
    route = route_between(hub, objects, buffers, checkpoint_parts=checkpoint_parts)
    [file] = files_of(hub)
    transfer = FileTransfer(file, part_bytes, route)

    assert transfer.part_count == len(order)
    for index in order:
        transfer.move_part(index, buffers.acquire())

    assert objects.objects == hub.files
    assert objects.crcs == {"a": crc64(hub.files["a"])}
    assert [file.sha256 for file in route.tally.report().files] == [file.sha256]
    progress = route.tally.progress()
    assert progress.bytes_done == progress.bytes_arrived == size
    assert route.queue.take() is None
    assert buffers._places == len(order)


def test_a_part_that_no_checkpoint_covers_keeps_its_place_until_the_file_is_complete() -> None:
    hub, objects, buffers = MemoryHub({"a": bytes_of(30)}), MemoryObjects(), PartBuffers(3, 10)
    route = route_between(hub, objects, buffers, checkpoint_parts=100)
    [file] = files_of(hub)
    places: list[int] = []
    objects.pause = lambda: places.append(buffers._places)

    transfer = FileTransfer(file, 10, route)
    for index in range(3):
        transfer.move_part(index, buffers.acquire())

    assert places[-1] == 0  # when the upload was completed
    assert buffers._places == 3
