"""The hashes that the Hub announces: SHA-256 for LFS files, the git blob id for other files."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING

from model_import.checksums.sha256_state import sha256

if TYPE_CHECKING:
    from collections.abc import Buffer, Callable


class OrderedSha256:
    """The SHA-256 of a file whose parts arrive in any order, from any thread.

    The thread that brings the next part hashes it, and then the later parts that waited for it. A
    thread that brings a later part leaves it and returns, so no thread waits for another. A hash
    may resume from the `state` that another hash had before part `first`.
    """

    def __init__(self, first: int = 0, state: str | None = None) -> None:
        self._sha256 = sha256(state)
        self._lock = threading.Lock()
        self._left_behind: dict[int, tuple[memoryview, Callable[[str | None], None]]] = {}
        self._next = first
        self._hashing = False

    def add(self, index: int, data: memoryview, hashed: Callable[[str | None], None]) -> None:
        """Hash part `index` when it is next; `data` must not change until `hashed` is called.

        `hashed` gets the state after the part, or None if this platform has no state.
        """
        with self._lock:
            self._left_behind[index] = (data, hashed)
            if self._hashing:
                return
            self._hashing = True
        while part := self._take_next():
            data, hashed = part
            self._sha256.update(data)
            hashed(self._sha256.state())

    def hexdigest(self) -> str:
        """Return the hash of all parts so far."""
        return self._sha256.hexdigest()

    def _take_next(self) -> tuple[memoryview, Callable[[str | None], None]] | None:
        with self._lock:
            part = self._left_behind.pop(self._next, None)
            self._hashing = part is not None
            self._next += self._hashing
            return part


def sha256_hex(content: Buffer) -> str:
    """Return the SHA-256 of bytes in memory."""
    return hashlib.sha256(content).hexdigest()


def git_blob_id(content: memoryview) -> str:
    """Return the id that git gives a file; outside LFS, the Hub announces no other hash."""
    blob = hashlib.sha1(b"blob %d\0" % content.nbytes, usedforsecurity=False)
    blob.update(content)
    return blob.hexdigest()
