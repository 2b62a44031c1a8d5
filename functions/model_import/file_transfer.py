"""One file on its way from the Hub to S3: opened by its first part, completed by its last."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from model_import.crc64 import crc64
from model_import.errors import ChecksumMismatchError, InvalidInputError
from model_import.file_hash import OrderedSha256, git_blob_id, sha256_hex
from model_import.manifest import TransferredFile
from model_import.part_sizes import part_ranges
from model_import.range_read import RangeRead
from model_import.staged_objects import object_metadata

if TYPE_CHECKING:
    from collections.abc import Callable

    from model_import.hub_files import HubFiles, RemoteFile
    from model_import.manifest import RepositoryFile
    from model_import.part_buffers import PartBuffers
    from model_import.progress import Tally
    from model_import.staged_objects import StagedObjects, UploadedPart


@dataclass(frozen=True, slots=True)
class Route:
    """What the files of a slice share on their way."""

    hub: HubFiles
    buffers: PartBuffers
    objects: StagedObjects
    tally: Tally


class FileTransfer:
    """Moves the parts of one file, each in any thread.

    A file of one part is verified before it is put; a longer one becomes a multipart upload that is
    completed only if the SHA-256 is the Hub's. A file that is there already is skipped.
    """

    def __init__(self, file: RepositoryFile, part_bytes: int, route: Route) -> None:
        self._file = file
        self._route = route
        self._ranges = part_ranges(file.size_bytes, part_bytes)
        self._sha256 = OrderedSha256()
        self._uploaded: dict[int, UploadedPart] = {}
        self._part_settled = _Countdown(len(self._ranges), self._complete)
        self._opening = threading.Lock()
        self._opened_at: float | None = None
        self._remote: RemoteFile | None = None
        self._upload_id = ""

    @property
    def part_count(self) -> int:
        """Return how many parts there are; at least one."""
        return len(self._ranges)

    def move_part(self, index: int, buffer: memoryview) -> None:
        """Move one part; the buffer is given back as soon as S3 and the hash are done with it.

        Raises:
            ChecksumMismatchError: the file is not the one that the Hub announced.
        """
        remote = self._open_once()
        if remote is None:
            self._route.buffers.release(buffer)
            return
        where = self._ranges[index]
        content = buffer[: len(where)]
        after = self._ranges[index - 1].stop if index else 0
        remote.fill(RangeRead(where.start, content, self._route.tally.arrived, after=after))
        if self.part_count == 1:
            self._put_whole(content)
            self._route.buffers.release(buffer)
        else:
            settled = _Countdown(2, partial(self._settle, buffer))
            self._sha256.add(index, content, settled)
            self._put_part(index, content)
            settled()

    def _open_once(self) -> RemoteFile | None:
        """Return the file at the Hub, or None when it needs no moving; other threads wait."""
        with self._opening:
            if self._opened_at is None:
                self._open()
                self._opened_at = time.monotonic()
            return self._remote

    def _open(self) -> None:
        file, route = self._file, self._route
        staged = route.objects.find(file.path)
        if staged is not None and (sha256 := staged.sha256_if(file)):
            self._done(sha256, "skipped", seconds=0)
            route.tally.stored(file.size_bytes)
            return
        if self.part_count > 1 and file.sha256 is None:
            found = f"{file.path!r} has {file.size_bytes} bytes and no SHA-256 at the Hub"
            raise InvalidInputError(
                found, f"Without one, a file fits {len(self._ranges[0])} bytes."
            )
        remote = route.hub.open(file.path)
        self._verify(f"{file.size_bytes} bytes", f"{remote.size_bytes} bytes")
        if self.part_count > 1:
            metadata = object_metadata(route.hub.source, file, str(file.sha256))
            self._upload_id = route.objects.open_upload(file.path, metadata)
        self._remote = remote

    def _put_whole(self, content: memoryview) -> None:
        file, route = self._file, self._route
        sha256 = sha256_hex(content)
        if file.sha256 is None:
            self._verify(f"git blob {file.blob_id}", f"git blob {git_blob_id(content)}")
        else:
            self._verify(f"SHA-256 {file.sha256}", f"SHA-256 {sha256}")
        metadata = object_metadata(route.hub.source, file, sha256)
        route.objects.put(file.path, content, crc64(content), metadata)
        route.tally.stored(len(content))
        self._done(sha256, "transferred", seconds=self._seconds())

    def _put_part(self, index: int, content: memoryview) -> None:
        objects = self._route.objects
        part = objects.put_part(self._upload_id, index + 1, content, crc64(content))
        self._uploaded[index] = part
        self._route.tally.stored(len(content))

    def _settle(self, buffer: memoryview) -> None:
        self._route.buffers.release(buffer)
        self._part_settled()

    def _complete(self) -> None:
        sha256 = self._sha256.hexdigest()
        self._verify(f"SHA-256 {self._file.sha256}", f"SHA-256 {sha256}")
        parts = [self._uploaded[index] for index in range(self.part_count)]
        self._route.objects.complete_upload(self._upload_id, parts)
        self._done(sha256, "transferred", seconds=self._seconds())

    def _verify(self, announced: str, found: str) -> None:
        if announced != found:
            raise ChecksumMismatchError(self._file.path, expected=announced, found=found)

    def _done(
        self, sha256: str, action: Literal["transferred", "skipped"], *, seconds: float
    ) -> None:
        file = TransferredFile(self._file.path, self._file.size_bytes, sha256, action, seconds)
        self._route.tally.file_done(file)

    def _seconds(self) -> float:
        return round(time.monotonic() - (self._opened_at or 0), 3)


class _Countdown:
    """Calls `then` in the thread that counts the last of `count` events."""

    def __init__(self, count: int, then: Callable[[], None]) -> None:
        self._left = count
        self._then = then
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self._left -= 1
            is_last = self._left == 0
        if is_last:
            self._then()
