"""How far a transfer is: counted by many threads, told as one value."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from model_import.manifest import TransferReport

if TYPE_CHECKING:
    from model_import.manifest import Slice, TransferredFile


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a slice is.

    `bytes_done` lie in S3, in objects or in parts; `bytes_arrived` came from the Hub. The first
    counts files that were there already, the second does not.
    """

    bytes_done: int
    bytes_arrived: int
    bytes_total: int
    files_done: int
    files_total: int


class Tally:
    """Counts what arrives and what is done."""

    def __init__(self, slice_: Slice) -> None:
        self._files = slice_.files
        self._bytes_total = slice_.size_bytes
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._bytes_arrived = 0
        self._bytes_done = 0
        self._files_done: dict[str, TransferredFile] = {}

    def arrived(self, size_bytes: int) -> None:
        """Count bytes that came from the Hub."""
        with self._lock:
            self._bytes_arrived += size_bytes

    def stored(self, size_bytes: int) -> None:
        """Count bytes that lie in S3."""
        with self._lock:
            self._bytes_done += size_bytes

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
            )

    def report(self) -> TransferReport:
        """Return what became of every file, in the order of the slice."""
        files = tuple(self._files_done[file.path] for file in self._files)
        return TransferReport(
            files=files,
            bytes_moved=sum(file.size_bytes for file in files if file.action == "transferred"),
            seconds=round(time.monotonic() - self._started, 3),
        )
