"""Reads the headers of the weights by Range, and checks them."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from model_import.bedrock.rules import bedrock_rules
from model_import.findings.finding import Finding
from model_import.model_files.placeholder_files import (
    PLACEHOLDER_BYTES_AT_MOST,
    describe_placeholder,
)
from model_import.model_files.safetensors import (
    LENGTH_BYTES,
    Header,
    SafetensorsHeaderError,
    header_length,
    parse_header,
)
from model_import.preflight.families.layout import is_buffer
from model_import.preflight.shards import check_shards
from model_import.preflight.tensor_dtypes import check_dtypes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_import.manifest import RepositoryFile
    from model_import.model_files.selection import ModelFiles
    from model_import.preflight.families.layout import ExpectedTensors

_CONCURRENT_READS: Final = 16
HEADERS_BYTES_AT_MOST: Final = 32_000_000
# For all files together. The largest that Bedrock could import, of Qwen3-235B-A22B, have 5 MB.


class RangeReader(Protocol):
    """Reads bytes of one file at the Hub."""

    def read(self, start: int, length: int) -> bytes: ...


class RangeReaders(Protocol):
    """Opens files of one repository at one commit."""

    def open(self, path: str) -> RangeReader: ...


@dataclass(frozen=True, slots=True)
class Weights:
    """The headers of all weights and their sum; `dtype` is that of most parameters."""

    parameters: int
    dtype: str | None
    headers: dict[str, Header]


@dataclass(frozen=True, slots=True)
class _Measured:
    """A weights file, its reader, and the length of its header."""

    file: RepositoryFile
    reader: RangeReader
    header_bytes: int


def check_weights(
    files: ModelFiles,
    readers: RangeReaders,
    *,
    multimodal: bool,
    expected: ExpectedTensors | None = None,
) -> tuple[Weights, list[Finding]]:
    """Read the header of every weights file by Range, and return the findings.

    Buffers that the `expected` tensors ignore may have any dtype.
    """
    findings = list(_check_size(files, multimodal=multimodal))
    headers, header_findings = _read_headers(files, readers)
    findings += header_findings
    sizes = {file.path: file.size_bytes for file in files.weights}
    for path, header in headers.items():
        findings += _check_length(path, sizes[path], header)
        findings += _check_framework(path, header)
    findings += check_dtypes(headers, is_buffer if expected is None else expected.ignored)
    findings += check_shards(files.index, headers)
    parameters = Counter[str]()
    for header in headers.values():
        for tensor in header.tensors:
            parameters[tensor.dtype] += tensor.parameters
    dtype = parameters.most_common(1)[0][0] if parameters else None
    return Weights(parameters.total(), dtype, headers), findings


def _check_size(files: ModelFiles, *, multimodal: bool) -> Iterator[Finding]:
    below = bedrock_rules().weights_bytes_below(multimodal=multimodal)
    if files.weights_bytes >= below:
        kind = "multimodal" if multimodal else "text"
        yield Finding.of(
            "WEIGHTS_TOO_LARGE",
            "*.safetensors",
            found=f"The weights have {files.weights_bytes / 1e9:.1f} GB",
            accepted=f"Bedrock accepts less than {below / 1e9:.0f} GB for {kind} models.",
        )


def _read_headers(
    files: ModelFiles, readers: RangeReaders
) -> tuple[dict[str, Header], list[Finding]]:
    """Return the valid headers by file, and the findings.

    Returns no header if all together are too large: the memory for them is limited.
    """
    parsing = threading.Lock()
    with ThreadPoolExecutor(_CONCURRENT_READS) as pool:
        measured, findings = _separate_findings(
            pool.map(lambda file: _measure(file, readers), files.weights)
        )
        total_bytes = sum(found.header_bytes for found in measured)
        if total_bytes > HEADERS_BYTES_AT_MOST:
            return {}, [*findings, _headers_too_large(total_bytes)]
        read, more = _separate_findings(
            pool.map(lambda found: _read_header(found, parsing), measured)
        )
    return dict(read), findings + more


def _separate_findings[T](results: Iterator[T | Finding]) -> tuple[list[T], list[Finding]]:
    values: list[T] = []
    findings: list[Finding] = []
    for result in results:
        if isinstance(result, Finding):
            findings.append(result)
        else:
            values.append(result)
    return values, findings


def _measure(file: RepositoryFile, readers: RangeReaders) -> _Measured | Finding:
    reader = readers.open(file.path)
    first_bytes = reader.read(0, min(LENGTH_BYTES, file.size_bytes))
    try:
        return _Measured(file, reader, header_length(first_bytes, file.size_bytes))
    except SafetensorsHeaderError as error:
        whole = reader.read(0, min(PLACEHOLDER_BYTES_AT_MOST + 1, file.size_bytes))
        return _invalid_header(file.path, describe_placeholder(whole) or str(error))


def _read_header(measured: _Measured, parsing: threading.Lock) -> tuple[str, Header] | Finding:
    path = measured.file.path
    text = measured.reader.read(LENGTH_BYTES, measured.header_bytes)
    try:
        with parsing:  # parsing takes many times the size of a header, for a short time
            return path, parse_header(text)
    except SafetensorsHeaderError as error:
        return _invalid_header(path, str(error))


def _invalid_header(path: str, why: str) -> Finding:
    return Finding.of(
        "HEADER_INVALID",
        path,
        found=f"The file is not a safetensors file: {why}",
        accepted="https://huggingface.co/docs/safetensors",
    )


def _headers_too_large(total_bytes: int) -> Finding:
    return Finding.of(
        "HEADERS_TOO_LARGE",
        "*.safetensors",
        found=f"The headers of the weights have {total_bytes} bytes together",
        accepted=f"At most {HEADERS_BYTES_AT_MOST} bytes, several times as many as the largest "
        "model that Bedrock imports has.",
    )


def _check_length(path: str, size_bytes: int, header: Header) -> Iterator[Finding]:
    difference = size_bytes - header.file_bytes
    if difference:
        how = "shorter" if difference < 0 else "longer"
        yield Finding.of(
            "SHARD_TRUNCATED" if difference < 0 else "SHARD_OVERLONG",
            path,
            found=f"The file is {abs(difference)} bytes {how} than its header states",
            accepted=f"Exactly {header.file_bytes} bytes.",
        )


def _check_framework(path: str, header: Header) -> Iterator[Finding]:
    accepted = bedrock_rules().safetensors_formats
    if header.framework is not None and header.framework not in accepted:
        yield Finding.of(
            "HEADER_FORMAT_UNKNOWN",
            path,
            found=f"Its __metadata__ has the format {header.framework!r}"
            if header.framework
            else "Its __metadata__ has no format",
            accepted=f"transformers loads {', '.join(accepted)}, or a file without __metadata__.",
        )
