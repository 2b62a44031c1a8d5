"""Files from the Hub to S3 in one pass through memory: ranges become parts, every byte is hashed.

Threads take the parts of all files in order. Each reads a range into a buffer, hands the buffer to
the file's SHA-256 and to S3, and takes the next. A buffer is free when both are done with it, so a
slow part holds back the hash of the later ones but nothing else, until the spare buffers are used
up. A thread takes its buffer before its part: the parts under way are then always the first of
those left, the one that the hash waits for is among them, and nothing waits in a circle.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

from model_import.file_transfer import FileTransfer, Route
from model_import.part_buffers import PartBuffers
from model_import.part_sizes import MIB, part_bytes
from model_import.presigned_puts import PresignedPuts
from model_import.progress import Progress, Tally
from model_import.staged_objects import StagedObjects

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_s3 import S3Client

    from model_import.hub_files import HubFiles
    from model_import.manifest import Slice, TransferReport


@dataclass(frozen=True, slots=True)
class TransferSettings:
    """How much is under way at once.

    Memory is `(connections + spare_buffers) × part bytes`, whatever the size of the slice, and
    about half a MiB a connection. Parts have `part_bytes_minimum` up to 10,000 of them a file. On a
    network with latency the connections decide; spare buffers, half as many, keep the Hub's
    connections busy while S3 is slow.
    """

    connections: int = 32
    spare_buffers: int = 16
    part_bytes_minimum: int = 16 * MIB
    progress_seconds: float = 0.5
    """How often `on_progress` is called at most."""
    stop_seconds: float = 5
    """How long a failed transfer waits for parts on their way to S3 before it cuts them off."""

    @property
    def buffers(self) -> int:
        """Return how many parts are in memory at most."""
        return self.connections + self.spare_buffers


def transfer_slice(  # noqa: PLR0913 what it moves, between what, and how
    slice_: Slice,
    hub: HubFiles,
    s3_client: S3Client,
    settings: TransferSettings,
    on_progress: Callable[[Progress], None] = lambda _: None,
    *,
    sleep: Callable[[float], object] | None = None,
) -> TransferReport:
    """Move the files of a slice, all of them or, at the first failure, none further.

    On any way out there is no open upload and no thread left; after a failure `hub` is closed.
    `s3_client` must be made with `presigned_puts.PRESIGNING`. `on_progress` is called by the thread
    that called this, when something has changed and once at the end; what it raises is a failure,
    too. `sleep` replaces the waits before S3 is asked again.

    Raises:
        ChecksumMismatchError: a file is not the one that the Hub announced.
        HubUnavailableError, RepositoryGatedError, …: as `HubFiles` does.
        ClientError, ConnectionClosedError: S3 refused, or did not answer.
    """
    return _SliceTransfer(slice_, hub, s3_client, settings, sleep).run(on_progress)


class _SliceTransfer:
    def __init__(
        self,
        slice_: Slice,
        hub: HubFiles,
        s3_client: S3Client,
        settings: TransferSettings,
        sleep: Callable[[float], object] | None,
    ) -> None:
        self._hub = hub
        self._settings = settings
        self._stopped = threading.Event()
        self._puts = PresignedPuts(
            s3_client, connections=settings.connections, stopped=self._stopped, sleep=sleep
        )
        self._objects = StagedObjects(s3_client, self._puts, slice_.staging)
        self._tally = Tally(slice_)
        sizes = {
            file: part_bytes(file.size_bytes, at_least=settings.part_bytes_minimum)
            for file in slice_.files
        }
        longest = max((min(file.size_bytes, size) for file, size in sizes.items()), default=0)
        self._buffers = PartBuffers(settings.buffers, longest)
        route = Route(hub, self._buffers, self._objects, self._tally)
        files = [FileTransfer(file, size, route) for file, size in sizes.items()]
        self._parts = deque((file, index) for file in files for index in range(file.part_count))

    def run(self, on_progress: Callable[[Progress], None]) -> TransferReport:
        try:
            self._move(on_progress)
        except BaseException as error:
            for failure in self._objects.abort_open():
                error.add_note(f"An upload is still open, since aborting it failed: {failure}")
            raise
        finally:
            self._puts.close()
        return self._tally.report()

    def _move(self, on_progress: Callable[[Progress], None]) -> None:
        with ThreadPoolExecutor(self._settings.connections, "transfer") as threads:
            workers: set[Future[None]] = set()
            try:
                for _ in range(min(self._settings.connections, len(self._parts))):
                    workers.add(threads.submit(self._move_parts))
                self._watch(workers, on_progress)
            except BaseException:
                self._stop(workers)
                raise

    def _move_parts(self) -> None:
        while True:
            buffer = self._buffers.acquire()
            try:
                file, index = self._parts.popleft()
            except IndexError:
                self._buffers.release(buffer)
                return
            file.move_part(index, buffer)

    def _watch(self, workers: set[Future[None]], on_progress: Callable[[Progress], None]) -> None:
        told: Progress | None = None
        running = workers
        while running:
            done, running = wait(running, self._settings.progress_seconds, FIRST_EXCEPTION)
            for worker in done:
                worker.result()
            if running and (progress := self._tally.progress()) != told:
                on_progress(progress)
                told = progress
        on_progress(self._tally.progress())

    def _stop(self, workers: set[Future[None]]) -> None:
        self._stopped.set()
        self._buffers.close()
        self._hub.close()
        wait(workers, self._settings.stop_seconds)
        self._puts.close()
