"""The bytes to transfer: files of any size, cut from one repeated pool of random bytes.

The source sends files from the pool with sendfile, so that 132 GB need neither disk nor CPU.
The length of the pool is a prime number of pages, so that no two parts of a transfer are equal,
within a file or between files, until the pool has been repeated that many times.
"""

from __future__ import annotations

import hashlib
import json
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from awscrt.checksums import crc64nvme

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PAGE_BYTES: Final = 4096
POOL_PAGES: Final = 65_537
"""A prime; 256 MiB are many times the cache of any processor."""
_SHIFT_PAGES: Final = 7919
_BLOCK_BYTES: Final = 1024 * 1024
_SEED: Final = 20_261_122


@dataclass(frozen=True, slots=True)
class Pool:
    """A file of random bytes, the same on every machine."""

    path: Path
    size_bytes: int

    def segments(self, start: int, length: int) -> Iterator[tuple[int, int]]:
        """Return where in the pool `length` bytes from `start` are: offsets and lengths."""
        while length:
            offset = start % self.size_bytes
            step = min(length, self.size_bytes - offset)
            yield offset, step
            start, length = start + step, length - step


@dataclass(frozen=True, slots=True)
class ContentFile:
    """A file to transfer; its first byte is byte `shift` of the pool."""

    path: str
    size_bytes: int
    shift: int
    sha256: str
    crc64: int


def write_pool(path: Path, pages: int = POOL_PAGES) -> Pool:
    """Write the pool, which should be in memory or the page cache."""
    pool = Pool(path, pages * PAGE_BYTES)
    generator = random.Random(_SEED)  # noqa: S311 not used for security
    with path.open("wb") as stream:
        for start in range(0, pool.size_bytes, _BLOCK_BYTES):
            stream.write(generator.randbytes(min(_BLOCK_BYTES, pool.size_bytes - start)))
    return pool


def describe_files(pool: Pool, sizes: Sequence[int], cache: Path) -> tuple[ContentFile, ...]:
    """Return files of the given sizes with their hashes, which are computed once per machine."""
    known: dict[str, list[str | int]] = json.loads(cache.read_text()) if cache.exists() else {}
    whole = memoryview(pool.path.read_bytes())

    def describe(index: int, size_bytes: int) -> ContentFile:
        shift = (index * _SHIFT_PAGES * PAGE_BYTES) % pool.size_bytes
        key = f"{_SEED}/{pool.size_bytes}/{shift}/{size_bytes}"
        if key not in known:
            known[key] = list(_hashes(pool, whole, shift, size_bytes))
        sha256, crc64 = known[key]
        name = f"model-{index + 1:05}-of-{len(sizes):05}.safetensors"
        return ContentFile(name, size_bytes, shift, str(sha256), int(crc64))

    with ThreadPoolExecutor(2) as threads:
        files = tuple(threads.map(describe, range(len(sizes)), sizes))
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text(json.dumps(known, indent=1) + "\n")
    return files


def _hashes(pool: Pool, whole: memoryview, shift: int, size_bytes: int) -> tuple[str, int]:
    sha256, crc = hashlib.sha256(), 0
    for offset, length in pool.segments(shift, size_bytes):
        segment = whole[offset : offset + length]
        sha256.update(segment)
        crc = crc64nvme(segment, crc)
    return sha256.hexdigest(), crc
