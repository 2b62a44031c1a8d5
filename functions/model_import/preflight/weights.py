"""What the headers of the weights say: dtypes, completeness, agreement with the index."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from model_import.bedrock_rules import bedrock_rules
from model_import.preflight.finding import Finding
from model_import.preflight.repository import INDEX
from model_import.safetensors import (
    LENGTH_BYTES,
    Header,
    SafetensorsHeaderError,
    header_length,
    parse_header,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_import.manifest import RepositoryFile
    from model_import.preflight.repository import ModelFiles

_CONCURRENT_READS: Final = 16
_EXAMPLES: Final = 3


class RangeReader(Protocol):
    """Reads bytes of one file at the Hub."""

    def read(self, start: int, length: int) -> bytes:
        """Return `length` bytes from `start` on."""


class RangeReaders(Protocol):
    """Opens files of one repository at one commit."""

    def open(self, path: str) -> RangeReader:
        """Return the reader of a file."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What the headers say of all weights together; `dtype` is that of most parameters."""

    parameters: int
    dtype: str | None
    headers: dict[str, Header]


def check_weights(
    files: ModelFiles, readers: RangeReaders, *, multimodal: bool
) -> tuple[Weights, list[Finding]]:
    """Read the header of every weights file by Range and return what is wrong with any."""
    findings = list(_check_size(files, multimodal=multimodal))
    headers: dict[str, Header] = {}
    with ThreadPoolExecutor(_CONCURRENT_READS) as pool:
        results = pool.map(lambda file: _read_header(file, readers), files.weights)
        for file, result in zip(files.weights, results, strict=True):
            if isinstance(result, Finding):
                findings.append(result)
                continue
            headers[file.path] = result
            findings += _check_length(file, result)
            findings += _check_dtypes(file.path, result)
    if files.index is not None:
        findings += _check_index(files.index, headers)
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
            found=f"The weights are {files.weights_bytes / 1e9:.1f} GB",
            accepted=f"Bedrock takes less than {below / 1e9:.0f} GB for {kind} models.",
        )


def _read_header(file: RepositoryFile, readers: RangeReaders) -> Header | Finding:
    try:
        reader = readers.open(file.path)
        first_bytes = reader.read(0, min(LENGTH_BYTES, file.size_bytes))
        length = header_length(first_bytes, file.size_bytes)
        return parse_header(reader.read(LENGTH_BYTES, length))
    except SafetensorsHeaderError as error:
        return Finding.of(
            "HEADER_INVALID",
            file.path,
            found=f"This is not a safetensors file: {error}",
            accepted="https://huggingface.co/docs/safetensors",
        )


def _check_length(file: RepositoryFile, header: Header) -> Iterator[Finding]:
    difference = file.size_bytes - header.file_bytes
    if difference:
        how = "shorter" if difference < 0 else "longer"
        yield Finding.of(
            "SHARD_TRUNCATED" if difference < 0 else "SHARD_OVERLONG",
            file.path,
            found=f"The file is {abs(difference)} bytes {how} than its header says",
            accepted=f"Exactly {header.file_bytes} bytes.",
        )


def _check_dtypes(path: str, header: Header) -> Iterator[Finding]:
    accepted = bedrock_rules().dtypes
    wrong: dict[str, list[str]] = {}
    for tensor in header.tensors:
        if tensor.dtype not in accepted:
            wrong.setdefault(tensor.dtype, []).append(tensor.name)
    for dtype, names in wrong.items():
        yield Finding.of(
            "TENSOR_DTYPE_UNSUPPORTED",
            path,
            found=f"{len(names)} tensors are {dtype}: {_some(names)}",
            accepted=f"Bedrock imports {', '.join(accepted)}.",
        )


def _check_index(index: dict[str, str], headers: dict[str, Header]) -> Iterator[Finding]:
    present = {(tensor.name, path) for path, header in headers.items() for tensor in header.tensors}
    # A shard whose header could not be read has a finding of its own.
    named = {(name, path) for name, path in index.items() if path in headers}
    if missing := sorted(named - present):
        yield _disagreement(
            "INDEX_TENSOR_MISSING", missing, "the index names and that are not in their shards"
        )
    if unnamed := sorted(present - named):
        yield _disagreement(
            "INDEX_TENSOR_UNNAMED", unnamed, "are in the shards and not in the index at that place"
        )


def _disagreement(code: str, pairs: list[tuple[str, str]], what: str) -> Finding:
    return Finding.of(
        code,
        INDEX,
        found=f"{len(pairs)} tensors that {what}: {_some([f'{n} ({p})' for n, p in pairs])}",
        accepted="Index and shards name the same tensors in the same files.",
    )


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_EXAMPLES])
    return f"{shown} …" if len(names) > _EXAMPLES else shown
