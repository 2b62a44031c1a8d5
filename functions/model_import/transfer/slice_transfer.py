"""Moves files from the Hub to S3 in one pass through memory: ranges become parts, all are hashed.

Threads take the parts of two files at a time, in the order of each file. A thread reads a range
into a buffer, passes the buffer to the file's SHA-256 and to S3, and takes the next part. The
buffer is free when both are done with it. So a slow part delays only the hash of the later parts,
until the spare buffers are used up. A thread takes its buffer before its part. The parts in flight
are therefore always the first ones left, the part that a hash waits for is one of them, and no
deadlock is possible.
"""

from __future__ import annotations

import math
import os
import threading
import time
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from model_import.errors import TRANSIENT, ModelImportError
from model_import.staging.errors import translate_staging_errors
from model_import.staging.part_sizes import longest_part_bytes, part_bytes, part_ranges
from model_import.staging.presigned_puts import PresignedPuts
from model_import.staging.store import StagedObjects
from model_import.staging.unverified_objects import UnverifiedObjects
from model_import.transfer.concurrency import ConcurrencyController, Sample, WorkerGate
from model_import.transfer.file_transfer import FileTransfer, Route
from model_import.transfer.part_buffers import PartBuffers
from model_import.transfer.part_order import in_order
from model_import.transfer.part_queue import PartQueue
from model_import.transfer.part_run_transfer import PartRunTransfer
from model_import.transfer.progress import Progress, Tally
from model_import.transfer.range_reads import Patience, RangeReads
from model_import.transport.retries import Retries

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_s3 import S3Client

    from model_import.manifest import RepositoryFile, Slice, TransferReport
    from model_import.sources.hub.files import HubFiles
    from model_import.transport.retries import TransientError


@dataclass(frozen=True, slots=True)
class TransferSettings:
    """How much is in flight at once.

    Memory is `parts_in_flight × part bytes`, whatever the size of the slice, and about half a MiB
    per connection. On a network with latency, the connections limit the throughput. The spare
    buffers, half as many, keep the Hub's connections busy while S3 is slow.
    """

    connections: int = 32
    """The maximum; the transfer begins with `connections_at_start`, and adds more if that helps."""
    spare_buffers: int = 16
    connections_at_start: int = 16
    progress_seconds: float = 0.5
    """The shortest time between two calls of `on_progress`."""
    stop_seconds: float = 5
    """How long a failed transfer waits for parts in flight to S3 before it drops them."""
    attempts: int = 8
    """How often a request to S3 is attempted."""
    patience_seconds: float = math.inf
    """How long S3 may fail in a row."""
    patience: Patience = field(default_factory=Patience)
    ca_bundle: str | None = None
    """A file of the certificate authorities to trust for S3."""

    @property
    def parts_in_flight(self) -> int:
        """Return the most parts that are in memory, and that are read twice after a kill."""
        return self.connections + self.spare_buffers

    @property
    def checkpoint_parts(self) -> int:
        """Return how many parts a checkpoint of a hash makes safe, while buffers are left."""
        return self.spare_buffers // 2 + 1


def transfer_slice(  # noqa: PLR0913 what it moves, between what, and how
    slice_: Slice,
    hub: HubFiles,
    s3_client: S3Client,
    settings: TransferSettings,
    on_progress: Callable[[Progress], None] = lambda _: None,
    *,
    sleep: Callable[[float], object] | None = None,
) -> TransferReport:
    """Move the files of a slice, and stop at the first failure.

    No thread outlives this call. After a failure `hub` is closed. Uploads stay open so that the
    next attempt can resume them, unless no further attempt can succeed. `s3_client` must be made
    with `presigned_puts.PRESIGNING`. `on_progress` is called in the calling thread after a change,
    and once at the end; if it raises, the transfer fails. `sleep` replaces the waits before a
    request to S3 is retried.

    Raises:
        ChecksumMismatchError: a file differs from what the Hub announces.
        HubUnavailableError, RepositoryGatedError, …: as `HubFiles` does.
        StagingRefusedError, StagingUnavailableError, CertificateUntrustedError: S3 refused, did not
            answer, or its certificate is not trusted.
    """
    with translate_staging_errors(slice_.staging.bucket):
        transfer = _SliceTransfer(slice_, hub, s3_client, settings, sleep)
    return transfer.run(on_progress)


class _SliceTransfer:
    def __init__(
        self,
        slice_: Slice,
        hub: HubFiles,
        s3_client: S3Client,
        settings: TransferSettings,
        sleep: Callable[[float], object] | None,
    ) -> None:
        self._bucket = slice_.staging.bucket
        self._part_bytes_at_least = slice_.part_bytes_at_least
        self._hub = hub
        self._settings = settings
        self._stopped = threading.Event()
        self._tally = Tally(slice_)
        self._throttlings = 0
        hub.report_failures(self._note_failure)
        retries = Retries(settings.attempts, self._stopped, sleep, settings.patience_seconds)
        self._puts = PresignedPuts(
            s3_client,
            self._bucket,
            connections=settings.connections,
            retries=retries,
            ca_bundle=settings.ca_bundle,
            on_failure=self._note_failure,
            on_sent=self._tally.sent,
        )
        self._objects = StagedObjects(s3_client, self._puts, slice_.staging)
        self._unverified = UnverifiedObjects(s3_client, self._puts, slice_, retries)
        runs = slice_.part_runs
        self._buffers = PartBuffers(settings.parts_in_flight, longest_part_bytes(slice_))
        self._queue = PartQueue(pending=len(slice_.files) + len(runs))
        self._reads = RangeReads(self._buffers, self._queue, self._tally, settings.patience)
        self._route = Route(
            hub=hub,
            buffers=self._buffers,
            objects=self._objects,
            tally=self._tally,
            reads=self._reads,
            queue=self._queue,
            checkpoint_parts=settings.checkpoint_parts,
        )
        self._verified: list[RepositoryFile] = []
        # Runs first: the task that stores the last part of a file also has to verify the file.
        for run in runs:
            moving = PartRunTransfer(run, self._route, self._unverified, self._put_in_place)
            self._queue.append(moving.works())
        self._files = [self._file_transfer(file) for file in slice_.files]
        self._queue.append(in_order(self._files, ahead=settings.parts_in_flight))
        parts = sum(file.part_count for file in self._files)
        # All parts of the file, since one of the tasks reads back the whole file.
        parts += sum(len(part_ranges(run.file.size_bytes, run.part_bytes)) for run in runs)
        self._threads = min(settings.connections, parts)
        self._controller = ConcurrencyController(
            at_start=settings.connections_at_start,
            at_most=settings.connections,
            cores=os.process_cpu_count() or 1,
        )
        self._gate = WorkerGate(self._controller.limit)

    def _file_transfer(self, file: RepositoryFile) -> FileTransfer:
        length = part_bytes(file.size_bytes, at_least=self._part_bytes_at_least)
        return FileTransfer(file, length, self._route)

    def _put_in_place(self, file: RepositoryFile) -> None:
        self._verified.append(file)
        transfer = self._file_transfer(file)
        self._files.append(transfer)
        self._queue.append(transfer.works())

    def run(self, on_progress: Callable[[Progress], None]) -> TransferReport:
        try:
            with translate_staging_errors(self._bucket):
                self._move(on_progress)
                for file in self._verified:
                    self._unverified.delete(file.path)
        except BaseException as error:
            if isinstance(error, ModelImportError) and not isinstance(error, TRANSIENT):
                failures = self._objects.abort_open(self._unopened_paths())
                failures += self._unverified.abort_open()
                for failure in failures:
                    error.add_note(f"An upload is still open because aborting it failed: {failure}")
            raise
        finally:
            self._puts.close()
        return self._tally.report()

    def _unopened_paths(self) -> list[str]:
        """Return the files in parts whose uploads this attempt has not looked up."""
        return [file.path for file in self._files if file.part_count > 1 and not file.is_opened]

    def _move(self, on_progress: Callable[[Progress], None]) -> None:
        with ThreadPoolExecutor(self._settings.connections + 1, "transfer") as threads:
            workers: set[Future[None]] = set()
            try:
                for _ in range(self._threads):
                    workers.add(threads.submit(self._move_parts))
                self._watch(workers, on_progress)
            except BaseException:
                self._stop(workers)
                keeping = threads.submit(self._keep_checkpoints)
                wait([keeping], self._settings.stop_seconds)
                self._puts.close()
                raise

    def _move_parts(self) -> None:
        while self._gate.enter():
            try:
                if not self._queue.move_next(self._buffers):
                    return
            finally:
                self._gate.leave()

    def _watch(self, workers: set[Future[None]], on_progress: Callable[[Progress], None]) -> None:
        reported: Progress | None = None
        running = workers
        while running:
            done, running = wait(running, self._settings.progress_seconds, FIRST_EXCEPTION)
            for worker in done:
                worker.result()
            self._reads.look()
            self._adjust_connections()
            if running and (progress := self._tally.progress()) != reported:
                on_progress(progress)
                reported = progress
        on_progress(self._tally.progress())

    def _adjust_connections(self) -> None:
        progress = self._tally.progress()
        sample = Sample(
            now_seconds=time.monotonic(),
            bytes_moved=progress.traffic_bytes,
            cpu_seconds=time.process_time(),
            throttlings=self._throttlings,
        )
        limit = self._controller.observe(sample)
        self._gate.open_to(limit)
        with self._tally as counts:
            counts.connections = limit

    def _note_failure(self, failure: TransientError) -> None:
        with self._tally as counts:
            counts.retries += 1
            counts.stalls += failure.is_stall
        # Lost updates between threads are harmless: one of them is enough to back off.
        self._throttlings += failure.is_throttling

    def _stop(self, workers: set[Future[None]]) -> None:
        self._stopped.set()
        self._gate.close()
        self._queue.close()
        self._buffers.close()
        self._reads.close()
        self._hub.close()
        wait(workers, self._settings.stop_seconds)

    def _keep_checkpoints(self) -> None:
        for file in self._files:
            with suppress(Exception):  # without a checkpoint, the next attempt reads more again
                file.keep_checkpoint()
