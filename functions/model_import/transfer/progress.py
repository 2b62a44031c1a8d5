"""How far a transfer is: counted by many threads, told as one value."""

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
    """How far a slice is: the record that a `Tally` counts in, and the copies that it gives away.

    `bytes_done` lie in S3, in objects or in parts; `bytes_arrived` came from the Hub. The first
    counts files that were there already, the second does not. `bytes_resumed` of the first were
    there when the transfer began, `bytes_copied` came from another place in the bucket, and
    `bytes_reread` of the second were read for the hash alone or a second time. `bytes_sent` left
    for S3, some of them more than once, and with what is kept beside the files. `retries` count
    requests that had to be made again, `stalls` those of them whose connection fell silent, and
    `hedges` second requests for a slow range. `connections` are allowed at this moment.
    `bytes_verified` were read back from S3; `bytes_moved_in_runs` are of files that other tasks
    move, too.
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
        """Return what came, was copied or was read back."""
        return self.bytes_arrived + self.bytes_copied + self.bytes_verified

    @property
    def traffic_bytes(self) -> int:
        """Return what all connections have brought and taken away, each in its turn.

        New connections all read at first and then all send: neither tells alone how fast they are.
        """
        return self.moved_bytes + self.bytes_sent


class Tally:
    """Counts in one record, for any thread: `with tally as counts:` is one change of it."""

    def __init__(self, slice_: Slice) -> None:
        self._files = slice_.files
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._counts = Progress(0, 0, slice_.size_bytes, 0, len(slice_.files))
        self._files_done: dict[str, TransferredFile] = {}

    def __enter__(self) -> Progress:
        """Return the counts, which nobody else changes until the block ends."""
        self._lock.acquire()
        return self._counts

    def __exit__(self, *_: object) -> None:
        """Let the others count."""
        self._lock.release()

    def arrived(self, size_bytes: int) -> None:
        """Count bytes that came from the Hub."""
        with self._lock:
            self._counts.bytes_arrived += size_bytes

    def sent(self, size_bytes: int) -> None:
        """Count bytes that left for S3."""
        with self._lock:
            self._counts.bytes_sent += size_bytes

    def verified(self, size_bytes: int) -> None:
        """Count bytes that were read back from S3."""
        with self._lock:
            self._counts.bytes_verified += size_bytes

    def stored(self, size_bytes: int) -> None:
        """Count bytes that lie in S3, as one part or as one whole object."""
        with self._lock:
            self._counts.bytes_done += size_bytes
            self._counts.parts_stored += 1

    def resumed(self, size_bytes: int) -> None:
        """Count bytes that lay in S3, in parts, when the transfer began."""
        with self._lock:
            self._counts.bytes_resumed += size_bytes
            self._counts.bytes_done += size_bytes

    def take_on(self, file: RepositoryFile) -> None:
        """Count in a file that several tasks have moved, and that this one puts in its place."""
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
