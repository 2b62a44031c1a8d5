"""How far a transfer is: many threads count, and one value reports it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from model_import.manifest import TransferReport

if TYPE_CHECKING:
    from model_import.manifest import RepositoryFile, Slice, TransferredFile


@dataclass(slots=True)
class Progress:
    """How far a slice is: the record in which a `Tally` counts, and the copies that it returns.

    `bytes_done` are in S3, in objects or in parts. Of these, `bytes_resumed` were there when the
    transfer began, and `bytes_copied` came from another place in the bucket. `bytes_arrived` came
    from the Hub. Of these, `bytes_reread` were read only for the hash, or a second time.
    `bytes_sent` were sent to S3, some of them more than once, and include checkpoints and hashes.
    `bytes_verified` were read back from S3. `bytes_moved_in_runs` belong to files that other tasks
    move, too. `retries` counts requests that were made again, `stalls` those of them whose
    connection fell silent, and `hedges` second requests for a slow range. `connections` is how many
    are allowed at this moment.
    """

    bytes_done: int
    bytes_arrived: int
    bytes_total: int
    files_done: int
    files_total: int
    bytes_resumed: int = 0
    bytes_copied: int = 0
    bytes_reread: int = 0
    retries: int = 0
    stalls: int = 0
    hedges: int = 0
    connections: int = 0
    parts_stored: int = 0
    bytes_verified: int = 0
    bytes_sent: int = 0
    bytes_moved_in_runs: int = 0

    @property
    def moved_bytes(self) -> int:
        """Return the bytes that arrived, were copied or were read back."""
        return self.bytes_arrived + self.bytes_copied + self.bytes_verified

    @property
    def traffic_bytes(self) -> int:
        """Return the bytes that all connections have received and sent.

        New connections first all read, then all send, so one direction alone misstates their speed.
        """
        return self.moved_bytes + self.bytes_sent


class Tally:
    """Counts in one record, from any thread: `with tally as counts:` is one change of it."""

    def __init__(self, slice_: Slice) -> None:
        self._files = slice_.files
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._counts = Progress(0, 0, slice_.size_bytes, 0, len(slice_.files))
        self._files_done: dict[str, TransferredFile] = {}

    def __enter__(self) -> Progress:
        """Return the counts, which no other thread changes until the block ends."""
        self._lock.acquire()
        return self._counts

    def __exit__(self, *_: object) -> None:
        """Let other threads count."""
        self._lock.release()

    def arrived(self, size_bytes: int) -> None:
        """Count bytes that came from the Hub."""
        with self._lock:
            self._counts.bytes_arrived += size_bytes

    def sent(self, size_bytes: int) -> None:
        """Count bytes that were sent to S3."""
        with self._lock:
            self._counts.bytes_sent += size_bytes

    def verified(self, size_bytes: int) -> None:
        """Count bytes that were read back from S3."""
        with self._lock:
            self._counts.bytes_verified += size_bytes

    def stored(self, size_bytes: int) -> None:
        """Count bytes that S3 has stored, as one part or as one whole object."""
        with self._lock:
            self._counts.bytes_done += size_bytes
            self._counts.parts_stored += 1

    def resumed(self, size_bytes: int) -> None:
        """Count bytes that were in S3 when the transfer began."""
        with self._lock:
            self._counts.bytes_resumed += size_bytes
            self._counts.bytes_done += size_bytes

    def add_file(self, file: RepositoryFile) -> None:
        """Add a file that several tasks have moved, and that this task copies to its place."""
        with self._lock:
            self._files = (*self._files, file)
            self._counts.files_total += 1
            self._counts.bytes_total += file.size_bytes

    def file_done(self, file: TransferredFile) -> None:
        """Count a file whose object is complete."""
        with self._lock:
            self._files_done[file.path] = file
            self._counts.files_done = len(self._files_done)

    def progress(self) -> Progress:
        """Return the counts of this moment."""
        with self._lock:
            return replace(self._counts)

    def report(self) -> TransferReport:
        """Return what became of every file, in the order of the slice."""
        files = tuple(self._files_done[file.path] for file in self._files)
        moved = sum(file.size_bytes for file in files if file.action == "transferred")
        return TransferReport(
            files=files,
            bytes_moved=moved + self._counts.bytes_moved_in_runs,
            seconds=round(time.monotonic() - self._started, 3),
        )
