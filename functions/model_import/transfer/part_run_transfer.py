"""Moves parts of a file that several tasks share; the last task verifies the file.

SHA-256 needs the bytes in order, and no task has all of them. S3 does not let anyone read parts
before the upload is completed. So the parts go to an upload at a key under `unverified/`, which
nothing else reads. The task that finds all parts stored, and is the first to claim the file,
completes the upload, reads the object back in order, and records where a file with this hash is.
From then on the file is elsewhere in the bucket, and is copied to its place like any such file.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from model_import.checksums.crc64 import crc64
from model_import.errors import StagingUnavailableError
from model_import.staging.objects import object_metadata
from model_import.transfer.file_in_parts import FileInParts
from model_import.transfer.read_back import ReadBack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from model_import.manifest import PartRun, RepositoryFile
    from model_import.staging.objects import UploadedPart
    from model_import.staging.unverified_objects import UnverifiedObjects
    from model_import.transfer.file_transfer import Route
    from model_import.transfer.part_queue import Work


class PartRunTransfer(FileInParts):
    """Moves one run of parts, each in any thread; `finish` then copies the file to its place."""

    def __init__(
        self,
        run: PartRun,
        route: Route,
        unverified: UnverifiedObjects,
        finish: Callable[[RepositoryFile], None],
    ) -> None:
        super().__init__(run.file, run.part_bytes, route)
        self._unverified = unverified
        self._finish = finish
        self._first = run.first_number - 1
        self._indices = range(self._first, self._first + run.count)
        self._stored: dict[int, UploadedPart] = {}
        self._left = run.count

    def works(self) -> Iterator[Work]:
        """Return the parts, in order, for the queue."""
        return (partial(self._move_part, index) for index in self._indices)

    def _move_part(self, index: int, buffer: memoryview) -> None:
        self._open_once()
        if self._remote is None or index in self._stored:
            self._route.buffers.release(buffer)
            self._settle()
            return
        self._route.reads.read(
            self._remote,
            self._ranges[index],
            buffer,
            after=self._ranges[index - 1].stop if index > self._first else 0,
            then=partial(self._store_part, index),
        )

    def _open(self) -> None:
        file, route = self._file, self._route
        moved_before = sum(len(self._ranges[index]) for index in self._indices)
        if self._is_in_place():
            route.tally.resumed(moved_before)
            return
        metadata = object_metadata(route.hub.source, file, str(file.sha256))
        self._upload_id = self._unverified.find_upload(file.path, metadata) or ""
        if not self._upload_id:
            route.tally.resumed(moved_before)
            return
        self._stored = self._stored_parts(self._unverified)
        here = [self._stored[index] for index in self._indices if index in self._stored]
        route.tally.resumed(sum(part.length for part in here))
        self._open_remote()

    def _is_in_place(self) -> bool:
        staged = self._route.objects.find(self._file.path)
        return staged is not None and staged.sha256_if(self._file) is not None

    def _store_part(self, index: int, buffer: memoryview) -> None:
        content = buffer[: len(self._ranges[index])]
        self._unverified.put_part(self._upload_id, index + 1, content, crc64(content))
        with self._route.tally as counts:
            counts.bytes_done += len(content)
            counts.parts_stored += 1
            counts.bytes_moved_in_runs += len(content)
        self._route.buffers.release(buffer)
        self._settle()

    def _settle(self) -> None:
        with self._lock:
            self._left -= 1
            is_last = self._left == 0
        if is_last:
            self._end_run()

    def _end_run(self) -> None:
        file = self._file
        if self._is_in_place() or not self._is_stored() or not self._unverified.claim(file):
            self._route.queue.file_done()
            return
        if self._upload_id:
            in_order = [self._stored[index] for index in range(len(self._ranges))]
            self._unverified.complete_upload(self._upload_id, in_order)
        whole = self._unverified.find_whole(file.path)
        if whole is None:
            why = f"{file.path!r} has neither an upload nor an object under unverified/"
            raise StagingUnavailableError(self._unverified.bucket, why)
        self._verify(f"{file.size_bytes} bytes", f"{whole.size_bytes} bytes")
        self._route.tally.add_file(file)
        read_back = ReadBack(whole, self._ranges, self._route, self._end_read_back)
        self._route.queue.append(read_back.works())

    def _is_stored(self) -> bool:
        """Return whether all parts of the file are stored; if not, another task will verify it."""
        if self._upload_id:
            try:
                self._stored = self._stored_parts(self._unverified)
            except ClientError as error:
                if error.response["Error"]["Code"] != "NoSuchUpload":
                    raise
                self._upload_id = ""  # another task has completed it
        return not self._upload_id or len(self._stored) == len(self._ranges)

    def _end_read_back(self, sha256: str) -> None:
        file = self._file
        if sha256 != file.sha256:
            self._unverified.delete(file.path)
        self._verify(f"SHA-256 {file.sha256}", f"SHA-256 {sha256}")
        self._unverified.note_hash(file.path, sha256)
        self._finish(file)
