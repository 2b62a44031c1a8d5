"""Reads the sources of the transfer image, hashes them and packs them for a build."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from pathlib import Path

_FOLDERS: Final = ("model_import", "transfer_model")
"""The folder that the Dockerfile copies, and the Dockerfile's own folder."""

_EARLIEST: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest time in a zip; a fixed time makes equal archives of equal sources."""


@dataclass(frozen=True, slots=True)
class ImageSources:
    """The files with their paths, as the Dockerfile names them."""

    files: tuple[tuple[str, bytes], ...]

    @classmethod
    def read(cls, root: Path) -> Self:
        """Read the folders of the image under `root`, without compiled Python files."""
        paths = sorted(
            path
            for folder in _FOLDERS
            for path in (root / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        )
        return cls(tuple((path.relative_to(root).as_posix(), path.read_bytes()) for path in paths))

    @property
    def content_hash(self) -> str:
        """Return a SHA-256 hash of all paths and contents, in hexadecimal."""
        listing = "".join(
            f"{hashlib.sha256(content).hexdigest()}  {path}\n" for path, content in self.files
        )
        return hashlib.sha256(listing.encode()).hexdigest()

    def zipped(self) -> bytes:
        """Return the zip archive that a build unpacks."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for path, content in self.files:
                packed.writestr(zipfile.ZipInfo(path, _EARLIEST), content, zipfile.ZIP_DEFLATED)
        return archive.getvalue()
