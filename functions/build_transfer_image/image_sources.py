"""The sources of the transfer image: read, named by their content, packed for a build."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from pathlib import Path

_FOLDERS: Final = ("model_import", "transfer_model")
"""What the Dockerfile copies, and the folder that it lies in."""

_EARLIEST: Final = (1980, 1, 1, 0, 0, 0)
"""The first time that a zip can hold: the same sources always make the same archive."""


@dataclass(frozen=True, slots=True)
class ImageSources:
    """Paths, as the Dockerfile names them, and contents."""

    files: tuple[tuple[str, bytes], ...]

    @classmethod
    def read(cls, root: Path) -> Self:
        """Read the folders of the image below `root`, without what Python compiles on the way."""
        paths = sorted(
            path
            for folder in _FOLDERS
            for path in (root / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        )
        return cls(tuple((path.relative_to(root).as_posix(), path.read_bytes()) for path in paths))

    @property
    def content_hash(self) -> str:
        """Return 64 hexadecimal characters that change with any path or content."""
        listing = "".join(
            f"{hashlib.sha256(content).hexdigest()}  {path}\n" for path, content in self.files
        )
        return hashlib.sha256(listing.encode()).hexdigest()

    def zipped(self) -> bytes:
        """Return the archive that a build unpacks."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for path, content in self.files:
                packed.writestr(zipfile.ZipInfo(path, _EARLIEST), content, zipfile.ZIP_DEFLATED)
        return archive.getvalue()
