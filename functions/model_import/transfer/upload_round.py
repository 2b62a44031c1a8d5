"""One round through the parts of a file: which parts are stored, hashed, settled and safe."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from model_import.checksums.crc64 import joined_crc64
from model_import.staging.hash_checkpoint import HashCheckpoint

if TYPE_CHECKING:
    from model_import.checksums.file_hash import OrderedSha256
    from model_import.staging.objects import UploadedPart


@dataclass(slots=True)
class UploadRound:
    """One round through all parts: what S3 holds, how far the hash is, and how much is safe.

    A checkpoint confirms that the parts before `first` are already stored and hashed.
    """

    sha256: OrderedSha256
    stored: dict[int, UploadedPart] = field(default_factory=dict)
    first: int = 0
    is_resumed: bool = False
    source_is_gone: bool = False
    settled: int = 0
    places_held: int = 0
    checkpointing: threading.Lock = field(default_factory=threading.Lock)
    _states: dict[int, str | None] = field(default_factory=dict)
    """The state of the hash after each hashed part, until a later state is known."""
    _put: set[int] = field(default_factory=set)
    _places: dict[int, int] = field(default_factory=dict)
    _safe: int = 0
    _contiguous: int = 0
    _state: str | None = None
    _crc: int = 0

    def __post_init__(self) -> None:
        self.is_resumed = self.is_resumed or bool(self.stored)
        self._safe = self._contiguous = self.first

    @property
    def parts_since_checkpoint(self) -> int:
        """Return how many parts a checkpoint would make safe."""
        return self._contiguous - self._safe if self._state is not None else 0

    def note_hashed(self, index: int, state: str | None) -> bool:
        """Keep the state of the hash after a part; return whether the part is also stored."""
        self._states[index] = state
        return index in self._put

    def note_stored(self, index: int) -> bool:
        """Note that a part is stored; return whether it is also hashed."""
        self._put.add(index)
        return index in self._states

    def state_after(self, index: int) -> str | None:
        """Return the state of the hash after a part, if it is known."""
        return self._states.get(index)

    def settle(self, index: int, places: int) -> None:
        """Count a part that is stored and hashed, or that needs neither in this round."""
        self.settled += 1
        if index < self.first:
            return
        self.places_held += places
        self._places[index] = places
        while self._contiguous in self._places:
            self._state = self._states.pop(self._contiguous, None)
            part = self.stored.get(self._contiguous)
            if part is not None:
                self._crc = joined_crc64([(part.crc, part.length)], before=self._crc)
            self._contiguous += 1

    def checkpoint(self, upload_id: str) -> HashCheckpoint | None:
        """Return a checkpoint of the parts stored and hashed, if it covers more than the last."""
        if not self.parts_since_checkpoint or self._state is None:
            return None
        return HashCheckpoint(upload_id, self._contiguous, self._crc, self._state)

    def close(self) -> int:
        """End the round, whose parts are all settled; return how many places that frees."""
        places, self.places_held = self.places_held, 0
        self._state = None
        return places

    def made_safe(self, parts: int) -> int:
        """Note that a checkpoint covers this many parts; return how many places that frees."""
        places = sum(self._places.pop(index) for index in range(self._safe, parts))
        self._safe = parts
        self.places_held -= places
        return places
