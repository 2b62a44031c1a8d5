"""Reads the small files next to the weights, within a limit, and parses config.json."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, compress
from typing import TYPE_CHECKING, Any, Final, Protocol

from model_import.bedrock.rules import bedrock_rules
from model_import.findings.finding import Finding
from model_import.model_files.names import CONFIG, TOKENIZER
from model_import.model_files.placeholder_files import describe_placeholder
from model_import.preflight.tokenizer_file import read_without_merges
from model_import.preflight.weights import RangeReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from model_import.manifest import RepositoryFile
    from model_import.sources.hub.snapshot import Snapshot

JSON_BYTES_AT_MOST: Final = 48_000_000
# For all files together. One known tokenizer.json has 33 MB, and hostile JSON of this size still
# fits into the memory of the function.
_NOT_READ: Final = re.compile(r"vocab\.json|.*\.(txt|model)")
# Vocabularies in formats that no check reads, megabytes each.
_CONCURRENT_READS: Final = 8


class FileReader(RangeReader, Protocol):
    """Reads one file of a repository, whole or by range."""

    def read_all(self, max_bytes: int) -> bytes:
        """Return the whole file.

        Raises:
            ValueError: The file is longer than `max_bytes`.
        """


class FileReaders(Protocol):
    """Opens files of one repository at one commit."""

    def open(self, path: str) -> FileReader:
        """Return the reader of a file."""


def read_small_files(
    snapshot: Snapshot, readers: FileReaders
) -> tuple[dict[str, bytes], list[Finding]]:
    """Return the small files by path, and a finding for each file that is too large to read."""

    def read(file: RepositoryFile) -> tuple[str, bytes | None]:
        if _NOT_READ.fullmatch(file.path):
            return file.path, b""
        reader = readers.open(file.path)
        if file.path == TOKENIZER:
            return file.path, read_without_merges(reader, file.size_bytes)
        try:
            return file.path, reader.read_all(JSON_BYTES_AT_MOST)
        except ValueError:  # the file is longer than the Hub listed
            return file.path, None

    copied = bedrock_rules().copied_files
    files = sorted(
        (file for file in snapshot.files if file.path in copied), key=lambda file: file.size_bytes
    )
    totals = accumulate(file.size_bytes for file in files)
    room = [total <= JSON_BYTES_AT_MOST for total in totals]
    with ThreadPoolExecutor(_CONCURRENT_READS) as pool:
        contents = dict(pool.map(read, compress(files, room)))
    small_files = {path: content for path, content in contents.items() if content is not None}
    return small_files, [_too_large(file) for file in files if file.path not in small_files]


def read_config(
    small_files: Mapping[str, bytes], read_json: Callable[[str], object]
) -> tuple[dict[str, Any] | None, list[Finding]]:
    """Return config.json, or None without a valid one; select_files reports a missing one."""
    if CONFIG not in small_files:
        return None, []
    config = read_json(CONFIG)
    if isinstance(config, dict):
        return config, []
    placeholder = describe_placeholder(small_files[CONFIG])
    return None, [
        Finding.of(
            "CONFIG_INVALID",
            CONFIG,
            found="The file is not a JSON object" + (f": {placeholder}" if placeholder else ""),
            accepted="The config.json that save_pretrained writes.",
        )
    ]


def _too_large(file: RepositoryFile) -> Finding:
    return Finding.of(
        "FILE_TOO_LARGE",
        file.path,
        found=f"The file has {file.size_bytes} bytes",
        accepted=f"At most {JSON_BYTES_AT_MOST} bytes for all files next to the weights, several "
        "times as many as published models have.",
    )
