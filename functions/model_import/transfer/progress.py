"""How far a transfer is: counted by many threads, told as one value."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from model_import.manifest import TransferReport

if TYPE_CHECKING:
    from model_import.manifest import RepositoryFile, Slice, TransferredFile


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a slice is.

    `bytes_done` lie in S3, in objects or in parts; `bytes_arrived` came from the Hub. The first
    counts files that were there already, the second does not. `bytes_resumed` of the first were
    there when the transfer began, `bytes_copied` came from another place in the bucket, and
    `bytes_reread` of the second were read for the hash alone or a second time. `bytes_sent` left
    for S3, some of them more than once, and with what is kept beside the files. `retries` count
    requests that had to be made again, `stalls` those of them whose connection fell silent, and
    `hedges` second requests for a slow range. `connections` are allowed at this moment.
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
    """Counts what arrives and what is done."""

    def __init__(self, slice_: Slice) -> None:
        self._files = slice_.files
        self._bytes_total = slice_.size_bytes
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._bytes_arrived = 0
        self._bytes_sent = 0
        self._bytes_done = 0
        self._bytes_resumed = 0
        self._bytes_copied = 0
        self._bytes_reread = 0
        self._retries = 0
        self._stalls = 0
        self._hedges = 0
        self._connections = 0
        self._parts_stored = 0
        self._bytes_verified = 0
        self._bytes_moved_in_runs = 0
        self._files_done: dict[str, TransferredFile] = {}

    def arrived(self, size_bytes: int) -> None:
        """Count bytes that came from the Hub."""
        with self._lock:
            self._bytes_arrived += size_bytes

    def sent(self, size_bytes: int) -> None:
        """Count bytes that left for S3."""
        with self._lock:
            self._bytes_sent += size_bytes

    def stored(self, size_bytes: int) -> None:
        """Count bytes that lie in S3, as one part or as one whole object."""
        with self._lock:
            self._bytes_done += size_bytes
            self._parts_stored += 1

    def run_part_stored(self, size_bytes: int) -> None:
        """Count a part of a file that other tasks move, too."""
        self.stored(size_bytes)
        with self._lock:
            self._bytes_moved_in_runs += size_bytes

    def take_on(self, file: RepositoryFile) -> None:
        """Count in a file that several tasks have moved, and that this one puts in its place."""
        with self._lock:
            self._files = (*self._files, file)
            self._bytes_total += file.size_bytes

    def verified(self, size_bytes: int) -> None:
        """Count bytes that were read back from S3."""
        with self._lock:
            self._bytes_verified += size_bytes

    def resumed(self, size_bytes: int) -> None:
        """Count bytes that lay in S3, in parts, when the transfer began."""
        with self._lock:
            self._bytes_resumed += size_bytes
            self._bytes_done += size_bytes

    def copied(self, size_bytes: int) -> None:
        """Count bytes that S3 copied from another place in the bucket."""
        with self._lock:
            self._bytes_copied += size_bytes
            self._bytes_done += size_bytes

    def lost(self, size_bytes: int) -> None:
        """Take back bytes that lay in S3, in parts that were given up."""
        with self._lock:
            self._bytes_done -= size_bytes

    def reread(self, size_bytes: int) -> None:
        """Count bytes that arrived although they, or their equals, had been stored before."""
        with self._lock:
            self._bytes_reread += size_bytes

    def retried(self) -> None:
        """Count a request that has to be made again."""
        with self._lock:
            self._retries += 1

    def stalled(self) -> None:
        """Count a connection that fell silent."""
        with self._lock:
            self._stalls += 1

    def hedged(self) -> None:
        """Count a second request for a slow range."""
        with self._lock:
            self._hedges += 1

    def allowed(self, connections: int) -> None:
        """Note how many connections are allowed from now on."""
        with self._lock:
            self._connections = connections

    def file_done(self, file: TransferredFile) -> None:
        """Count a file whose object is complete."""
        with self._lock:
            self._files_done[file.path] = file

    def progress(self) -> Progress:
        """Return the count of this moment."""
        with self._lock:
            return Progress(
                bytes_done=self._bytes_done,
                bytes_arrived=self._bytes_arrived,
                bytes_total=self._bytes_total,
                files_done=len(self._files_done),
                files_total=len(self._files),
                bytes_resumed=self._bytes_resumed,
                bytes_copied=self._bytes_copied,
                bytes_reread=self._bytes_reread,
                retries=self._retries,
                stalls=self._stalls,
                hedges=self._hedges,
                connections=self._connections,
                parts_stored=self._parts_stored,
                bytes_verified=self._bytes_verified,
                bytes_sent=self._bytes_sent,
            )

    def report(self) -> TransferReport:
        """Return what became of every file, in the order of the slice."""
        files = tuple(self._files_done[file.path] for file in self._files)
        moved = sum(file.size_bytes for file in files if file.action == "transferred")
        return TransferReport(
            files=files,
            bytes_moved=moved + self._bytes_moved_in_runs,
            seconds=round(time.monotonic() - self._started, 3),
        )
