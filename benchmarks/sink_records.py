"""The sink's records of uploads and objects: small files, shared by its processes."""

from __future__ import annotations

import json
import shutil
import uuid
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

KEPT_BYTES_AT_MOST: Final = 1024 * 1024
_UPLOAD_NAME: Final = "upload"


@dataclass(frozen=True, slots=True)
class PartRecord:
    """A part that has arrived."""

    number: int
    size_bytes: int
    crc64: int
    etag: str


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """An object that is complete; `crc64` was computed from the bytes that arrived."""

    size_bytes: int
    crc64: int
    metadata: dict[str, str]


class SinkRecords:
    """An upload is a folder with a file per part; an object is a file named by its key."""

    def __init__(self, folder: Path) -> None:
        self._uploads = folder / "uploads"
        self._objects = folder / "objects"
        self._contents = folder / "contents"
        for made in (self._uploads, self._objects, self._contents):
            made.mkdir(parents=True, exist_ok=True)

    def open_upload(self, key: str, metadata: Mapping[str, str]) -> str:
        """Return the id of a new upload."""
        upload_id = uuid.uuid4().hex
        (self._uploads / upload_id).mkdir()
        _write(self._uploads / upload_id / _UPLOAD_NAME, {"key": key, "metadata": dict(metadata)})
        return upload_id

    def open_uploads(self) -> Iterator[tuple[str, str]]:
        """Return the ids and keys of the uploads that are open."""
        for folder in sorted(self._uploads.iterdir()):
            yield folder.name, json.loads((folder / _UPLOAD_NAME).read_text())["key"]

    def put_part(self, upload_id: str, part: PartRecord) -> bool:
        """Record a part; return whether there is such an upload."""
        folder = self._uploads / upload_id
        if not folder.is_dir():
            return False
        _write(folder / f"{part.number}.part", asdict(part))
        return True

    def parts(self, upload_id: str) -> dict[int, PartRecord] | None:
        """Return the parts of an upload by number, or None when there is no such upload."""
        folder = self._uploads / upload_id
        if not folder.is_dir():
            return None
        parts = [PartRecord(**json.loads(file.read_text())) for file in folder.glob("*.part")]
        return {part.number: part for part in parts}

    def complete(self, upload_id: str, key: str, size_bytes: int, crc64: int) -> None:
        """Turn an upload into an object."""
        folder = self._uploads / upload_id
        metadata = json.loads((folder / _UPLOAD_NAME).read_text())["metadata"]
        self.put_object(key, size_bytes, crc64, metadata, None)
        shutil.rmtree(folder)

    def put_object(
        self,
        key: str,
        size_bytes: int,
        crc64: int,
        metadata: Mapping[str, str],
        content: bytes | None,
    ) -> None:
        """Record an object, with its bytes if they are given."""
        if content is not None:
            (self._contents / _file_name(key)).write_bytes(content)
        record = ObjectRecord(size_bytes, crc64, dict(metadata))
        _write(self._objects / _file_name(key), asdict(record))

    def object(self, key: str) -> ObjectRecord | None:
        file = self._objects / _file_name(key)
        return ObjectRecord(**json.loads(file.read_text())) if file.exists() else None

    def objects(self) -> Iterator[tuple[str, ObjectRecord]]:
        """Return all objects by key, in the order in which S3 lists them."""
        for key in sorted(unquote(file.name) for file in self._objects.iterdir()):
            if record := self.object(key):
                yield key, record

    def content(self, key: str) -> bytes | None:
        """Return the bytes of an object that was kept."""
        file = self._contents / _file_name(key)
        return file.read_bytes() if file.exists() else None

    def delete(self, key: str, upload_id: str | None = None) -> None:
        """Delete an upload if one is named, otherwise an object."""
        if upload_id is not None:
            shutil.rmtree(self._uploads / upload_id, ignore_errors=True)
            return
        for folder in (self._objects, self._contents):
            (folder / _file_name(key)).unlink(missing_ok=True)

    def clear(self) -> None:
        """Delete all records."""
        for folder in (self._uploads, self._objects, self._contents):
            shutil.rmtree(folder)
            folder.mkdir()


def _file_name(key: str) -> str:
    return quote(key, safe="")


def _write(file: Path, content: dict[str, object]) -> None:
    # Renamed into place, so that no other process reads half of it.
    written = file.with_name(f"{file.name}.{uuid.uuid4().hex}")
    written.write_text(json.dumps(content))
    written.rename(file)
