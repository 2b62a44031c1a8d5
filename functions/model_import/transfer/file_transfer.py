"""Moves one file from the Hub to S3: its first part opens the file, its last part completes it.

A round goes through all parts, and one round is usually enough: every part is read, hashed and
stored, or is stored already. A file needs another round if the source of its copy disappears, or if
it was resumed and its hash is wrong.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from model_import.checksums.crc64 import crc64, joined_crc64
from model_import.checksums.file_hash import OrderedSha256, git_blob_id, sha256_hex
from model_import.errors import InvalidInputError
from model_import.manifest import TransferredFile
from model_import.staging.objects import object_metadata
from model_import.transfer.file_in_parts import FileInParts
from model_import.transfer.upload_round import UploadRound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_import.manifest import RepositoryFile
    from model_import.sources.hub.files import HubFiles, RemoteFile
    from model_import.staging.hash_checkpoint import HashCheckpoint
    from model_import.staging.objects import UploadedPart
    from model_import.staging.store import CopySource, StagedObjects
    from model_import.transfer.part_buffers import PartBuffers
    from model_import.transfer.part_queue import PartQueue, Work
    from model_import.transfer.progress import Tally
    from model_import.transfer.range_reads import RangeReads


@dataclass(frozen=True, slots=True)
class Route:
    """What the transfers of all files of a slice share."""

    hub: HubFiles
    buffers: PartBuffers
    objects: StagedObjects
    tally: Tally
    reads: RangeReads
    queue: PartQueue
    checkpoint_parts: int
    """While buffers are left, a checkpoint of the hash is written after this many parts."""


class FileTransfer(FileInParts):
    """Moves the parts of one file; each part may run in any thread.

    A file of one part is verified before it is put. A longer file becomes a multipart upload, which
    is completed only if the SHA-256 is the Hub's. A file that is already in place is skipped, a
    file that is elsewhere in the bucket is copied, and an open upload is resumed.
    """

    def __init__(self, file: RepositoryFile, part_bytes: int, route: Route) -> None:
        super().__init__(file, part_bytes, route)
        self._source: CopySource | None = None
        self._round = UploadRound(OrderedSha256())
        self._is_done = False

    @property
    def path(self) -> str:
        """Return the path of the file in the repository."""
        return self._file.path

    @property
    def is_opened(self) -> bool:
        """Return whether the object and the upload of the file have been looked up."""
        return self._opened_at is not None

    @property
    def part_count(self) -> int:
        """Return how many parts there are; at least one."""
        return len(self._ranges)

    def works(self) -> Iterator[Work]:
        """Return the parts, in order, for the queue."""
        return (partial(self.move_part, index) for index in range(self.part_count))

    def open_ahead(self, buffer: memoryview) -> None:
        """Open the file before its first part is due; release the buffer unused."""
        self._route.buffers.release(buffer)
        self._open_once()

    def move_part(self, index: int, buffer: memoryview) -> None:
        """Move one part; release the buffer as soon as S3 and the hash are done with it.

        Raises:
            ChecksumMismatchError: the file differs from what the Hub announces.
        """
        self._open_once()
        if self._is_done:
            self._route.buffers.release(buffer)
        elif self._source is not None:
            self._route.buffers.release(buffer)
            self._copy_part(index, self._source)
        elif self._remote is not None and index >= self._round.first:
            self._read_part(index, buffer, self._remote)
        else:
            self._route.buffers.release(buffer)
            self._settle(index, places=0)

    def keep_checkpoint(self) -> None:
        """Save how far the hash is, for the task that resumes the upload."""
        round_ = self._round
        if not self._is_done and round_.checkpointing.acquire(blocking=False):
            try:
                self._write_checkpoint()
            finally:
                round_.checkpointing.release()

    # Opening

    def _open(self) -> None:
        file, route = self._file, self._route
        staged = route.objects.find(file.path)
        if staged is not None and (sha256 := staged.sha256_if(file)):
            route.tally.resumed(file.size_bytes)
            self._finish(sha256, "skipped")
            return
        if self.part_count > 1 and file.sha256 is None:
            found = f"{file.path!r} has {file.size_bytes} bytes and no SHA-256 on the Hub"
            raise InvalidInputError(
                found,
                f"A file without a SHA-256 may have at most {len(self._ranges[0])} bytes. "
                "Store the file with Git LFS: then the Hub has its SHA-256.",
            )
        if file.size_bytes:
            self._source = route.objects.find_copy_source(file)
        if self._source is None:
            self._open_remote()
        if self._source is not None or self.part_count > 1:
            self._open_upload()

    def _open_upload(self) -> None:
        objects, path = self._route.objects, self._file.path
        upload_id = objects.find_upload(path, self._metadata)
        if upload_id is None:
            self._upload_id = objects.open_upload(path, self._metadata)
            return
        self._upload_id = upload_id
        stored = self._stored_parts(objects)
        self._route.tally.resumed(sum(part.length for part in stored.values()))
        checkpoint = objects.read_checkpoint(path) if stored else None
        self._round = _resumed_round(upload_id, stored, checkpoint)

    @property
    def _metadata(self) -> dict[str, str]:
        return object_metadata(self._route.hub.source, self._file, str(self._file.sha256))

    # One part

    def _copy_part(self, index: int, source: CopySource) -> None:
        round_ = self._round
        if index not in round_.stored and not round_.source_is_gone:
            where = self._ranges[index]
            part = self._route.objects.copy_part(self._upload_id, index + 1, source, where)
            if part is None:
                round_.source_is_gone = True
            else:
                round_.stored[index] = part
                with self._route.tally as counts:
                    counts.bytes_copied += part.length
                    counts.bytes_done += part.length
        self._settle(index, places=0)

    def _read_part(self, index: int, buffer: memoryview, remote: RemoteFile) -> None:
        self._route.reads.read(
            remote,
            self._ranges[index],
            buffer,
            after=self._ranges[index - 1].stop if index > self._round.first else 0,
            then=partial(self._take_part, index),
        )

    def _take_part(self, index: int, buffer: memoryview) -> None:
        """Hash and store the bytes that were read."""
        content = buffer[: len(self._ranges[index])]
        if self.part_count == 1:
            self._put_whole(content)
            self._route.buffers.release(buffer)
            return
        self._round.sha256.add(index, content, partial(self._note_hashed, index, buffer))
        self._store_part(index, content)
        self._note_stored(index, buffer)

    def _store_part(self, index: int, content: memoryview) -> None:
        tally, stored = self._route.tally, self._round.stored
        crc, before = crc64(content), stored.get(index)
        if before is not None:
            with tally as counts:
                counts.bytes_reread += len(content)
            if before.crc == crc:
                return
            with tally as counts:
                counts.bytes_done -= before.length
        stored[index] = self._route.objects.put_part(self._upload_id, index + 1, content, crc)
        tally.stored(len(content))

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
        self._finish(sha256, "transferred")

    # Safety: a part is safe when it is stored and hashed, and a checkpoint says so

    def _note_hashed(self, index: int, buffer: memoryview, state: str | None) -> None:
        with self._lock:
            is_stored = self._round.note_hashed(index, state)
        if is_stored:
            self._release_part(index, buffer)

    def _note_stored(self, index: int, buffer: memoryview) -> None:
        with self._lock:
            is_hashed = self._round.note_stored(index)
        if is_hashed:
            self._release_part(index, buffer)

    def _release_part(self, index: int, buffer: memoryview) -> None:
        """Release the buffer of a part that is both stored and hashed."""
        is_safe = self._round.state_after(index) is None  # there will be no checkpoint
        self._route.buffers.release(buffer, places=1 if is_safe else 0)
        self._settle(index, places=0 if is_safe else 1)

    def _settle(self, index: int, *, places: int) -> None:
        round_ = self._round
        with self._lock:
            round_.settle(index, places)
            is_last = round_.settled == self.part_count
        if is_last:
            self._end_round()
        elif self._is_checkpoint_due():
            self.keep_checkpoint()

    def _is_checkpoint_due(self) -> bool:
        """Return whether enough parts need a checkpoint, or other threads wait for a place."""
        parts = self._round.parts_since_checkpoint
        return parts >= self._route.checkpoint_parts or (parts > 0 and self._route.buffers.are_lent)

    def _write_checkpoint(self) -> None:
        round_ = self._round
        with self._lock:
            checkpoint = round_.checkpoint(self._upload_id)
        if checkpoint is not None:
            self._route.objects.write_checkpoint(self._file.path, checkpoint)
            with self._lock:
                places = round_.made_safe(checkpoint.parts)
            self._route.buffers.free(places)

    # The end of a round

    def _end_round(self) -> None:
        round_ = self._round
        with round_.checkpointing:  # a checkpoint may be freeing some of the places
            places = round_.close()
        if self._source is not None:
            self._end_copy(self._source)
        else:
            self._end_move()
        self._route.buffers.free(places)  # only now: until completion, a kill costs these parts

    def _end_copy(self, source: CopySource) -> None:
        """Complete the copy if its CRC is the source's; else read missing parts from the Hub."""
        stored = self._round.stored
        if len(stored) == self.part_count and self._joined_crc() == source.crc:
            self._complete(str(self._file.sha256), "copied")
            return
        self._source = None
        if self.part_count == 1 or len(stored) == self.part_count:
            self._abort()
        self._begin_again()

    def _end_move(self) -> None:
        sha256 = self._round.sha256.hexdigest()
        if sha256 != self._file.sha256 and self._round.is_resumed:
            # The parts that were stored earlier may be wrong, and not the Hub's file.
            self._abort()
            self._begin_again()
            return
        self._verify(f"SHA-256 {self._file.sha256}", f"SHA-256 {sha256}")
        self._complete(sha256, "transferred")

    def _begin_again(self) -> None:
        self._open_remote()
        if not self._upload_id and self.part_count > 1:
            self._upload_id = self._route.objects.open_upload(self._file.path, self._metadata)
        self._round = UploadRound(OrderedSha256(), self._round.stored)
        self._route.queue.begin_again(self.works())

    def _abort(self) -> None:
        self._route.objects.abort(self._upload_id)
        with self._route.tally as counts:
            counts.bytes_done -= sum(part.length for part in self._round.stored.values())
        self._round.stored.clear()
        self._upload_id = ""

    def _complete(self, sha256: str, action: Literal["transferred", "copied"]) -> None:
        parts = [self._round.stored[index] for index in range(self.part_count)]
        self._route.objects.complete_upload(self._upload_id, parts)
        self._finish(sha256, action)

    def _joined_crc(self) -> int:
        stored = (self._round.stored[index] for index in range(self.part_count))
        return joined_crc64((part.crc, part.length) for part in stored)

    def _finish(self, sha256: str, action: Literal["transferred", "copied", "skipped"]) -> None:
        seconds = round(time.monotonic() - (self._opened_at or 0), 3)
        if self._file.sha256 is not None and self._file.size_bytes and action != "skipped":
            self._route.objects.note_hash(self._file.path, sha256)
        self._is_done = True
        file = TransferredFile(
            self._file.path,
            self._file.size_bytes,
            sha256,
            action,
            0 if action == "skipped" else seconds,
        )
        self._route.tally.file_done(file)
        self._route.queue.file_done()


def _resumed_round(
    upload_id: str, stored: dict[int, UploadedPart], checkpoint: HashCheckpoint | None
) -> UploadRound:
    if checkpoint is not None and checkpoint.is_of(upload_id, stored):
        try:
            sha256 = OrderedSha256(checkpoint.parts, checkpoint.sha256_state)
        except ValueError:  # another machine wrote the state, or it is damaged
            pass
        else:
            return UploadRound(sha256, stored, checkpoint.parts, _crc=checkpoint.crc)
    return UploadRound(OrderedSha256(), stored)
