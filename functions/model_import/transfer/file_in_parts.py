"""A file that is moved in parts: the first thread opens it and checks its size."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from model_import.errors import ChecksumMismatchError
from model_import.staging.part_sizes import part_ranges

if TYPE_CHECKING:
    from model_import.manifest import RepositoryFile
    from model_import.sources.hub.files import RemoteFile
    from model_import.staging.objects import UploadedPart
    from model_import.staging.store import StagedObjects
    from model_import.transfer.file_transfer import Route


class FileInParts(ABC):
    """What the transfer of a whole file and the transfer of a run of its parts share."""

    def __init__(self, file: RepositoryFile, part_bytes: int, route: Route) -> None:
        self._file: Final = file
        self._route = route
        self._ranges = part_ranges(file.size_bytes, part_bytes)
        self._opening = threading.Lock()
        self._opened_at: float | None = None
        self._remote: RemoteFile | None = None
        self._upload_id = ""
        self._lock = threading.Lock()

    @abstractmethod
    def _open(self) -> None:
        """Find out which parts are left to move, and to which upload."""

    def _open_once(self) -> None:
        with self._opening:
            if self._opened_at is None:
                began_at = time.monotonic()
                self._open()
                self._opened_at = began_at

    def _open_remote(self) -> None:
        remote = self._route.hub.open(self._file.path)
        self._verify(f"{self._file.size_bytes} bytes", f"{remote.size_bytes} bytes")
        self._remote = remote

    def _stored_parts(self, objects: StagedObjects) -> dict[int, UploadedPart]:
        """Return the stored parts of the open upload that have the expected length, by index."""
        return {
            part.number - 1: part
            for part in objects.stored_parts(self._upload_id)
            if part.number <= len(self._ranges)
            and part.length == len(self._ranges[part.number - 1])
        }

    def _verify(self, announced: str, found: str) -> None:
        if announced != found:
            raise ChecksumMismatchError(self._file.path, expected=announced, found=found)
