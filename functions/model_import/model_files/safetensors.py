"""Parses the header of a safetensors file.

Layout: 8 bytes little-endian length N, N bytes of JSON, then the tensors' data.
Source: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import prod
from typing import Any, Final

LENGTH_BYTES: Final = 8
HEADER_BYTES_AT_MOST: Final = 10_000_000
# Twice what the 37,000 tensors of Qwen3-235B-A22B would need in one file. The format allows 100 MB,
# but a hostile header takes thirty times its size in memory when it is parsed.
DIMENSIONS_AT_MOST: Final = 64
# The limit of torch.
LARGEST_NUMBER: Final = 2**64 - 1
# In the format, offsets, dimensions and their product have 64 bits.

DTYPE_BITS: Final = {
    "BOOL": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "U8": 8,
    "I8": 8,
    "F8_E5M2": 8,
    "F8_E4M3": 8,
    "F8_E8M0": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "C64": 64,
    "F64": 64,
    "I64": 64,
    "U64": 64,
}


class SafetensorsHeaderError(ValueError):
    """The bytes are not a safetensors header; the message says why."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor as the header declares it; offsets count from the end of the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def parameters(self) -> int:
        """Return the number of elements."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class Header:
    """All tensors of a file, in the order of their data.

    `framework` is the format in `__metadata__`: empty if `__metadata__` has no format, None if the
    header has no `__metadata__`.
    """

    tensors: tuple[Tensor, ...]
    header_bytes: int
    framework: str | None = None

    @property
    def file_bytes(self) -> int:
        """Return the size that a complete file with this header has."""
        data_bytes = self.tensors[-1].end if self.tensors else 0
        return LENGTH_BYTES + self.header_bytes + data_bytes


def header_length(first_bytes: bytes, file_bytes: int) -> int:
    """Return the length of the JSON header, from the first eight bytes of a file of `file_bytes`.

    Raises:
        SafetensorsHeaderError: There are fewer bytes, or the length is not valid.
    """
    if len(first_bytes) < LENGTH_BYTES:
        raise SafetensorsHeaderError(f"the file ends after {len(first_bytes)} bytes")
    length = int.from_bytes(first_bytes[:LENGTH_BYTES], "little")
    if not 2 <= length <= HEADER_BYTES_AT_MOST:  # noqa: PLR2004 – "{}" is two bytes
        raise SafetensorsHeaderError(
            f"its first eight bytes announce a header of {length} bytes, but a header has 2 to "
            f"{HEADER_BYTES_AT_MOST}"
        )
    if LENGTH_BYTES + length > file_bytes:
        raise SafetensorsHeaderError(
            f"it announces a header of {length} bytes, but is {file_bytes} bytes long"
        )
    return length


def parse_header(text: bytes) -> Header:
    """Return the tensors that a JSON header declares.

    Raises:
        SafetensorsHeaderError: It does not match the format, or its offsets overlap or leave gaps.
    """
    try:
        data = json.loads(text.decode(), object_pairs_hook=_without_duplicates)
    except SafetensorsHeaderError:
        raise
    except (ValueError, RecursionError) as error:
        raise SafetensorsHeaderError(f"its header is not JSON ({error})") from error
    if not isinstance(data, dict):
        raise SafetensorsHeaderError("its header is not a JSON object")
    framework = _framework(data.pop("__metadata__", None))
    tensors = sorted(
        (_tensor(name, entry) for name, entry in data.items()),
        key=lambda tensor: (tensor.start, tensor.end),
    )
    position = 0
    for tensor in tensors:
        if tensor.start != position:
            raise SafetensorsHeaderError(
                f"tensor {tensor.name!r} starts at {tensor.start}, not at {position} where the "
                "previous tensor ends"
            )
        position = tensor.end
    return Header(tuple(tensors), len(text), framework)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise SafetensorsHeaderError("its header has a duplicate key")
    return result


def _framework(metadata: object) -> str | None:
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or not all(
        isinstance(text, str) for text in metadata.values()
    ):
        raise SafetensorsHeaderError(
            f"its __metadata__ is {metadata!r:.100}, not an object of strings"
        )
    return str(metadata.get("format", ""))


def _tensor(name: str, entry: object) -> Tensor:
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [start, end]} if (
            len(shape) <= DIMENSIONS_AT_MOST
            and all(_is_number(number) for number in (*shape, start, end))
            and start <= end
            and prod(shape) <= LARGEST_NUMBER
        ):
            tensor = Tensor(name, dtype, tuple(shape), start, end)
        case _:
            raise SafetensorsHeaderError(f"tensor {name!r} is declared as {entry!r:.100}")
    bits = DTYPE_BITS.get(dtype)
    if bits is not None and tensor.parameters * bits != (end - start) * 8:
        raise SafetensorsHeaderError(
            f"tensor {name!r} has dtype {dtype} and shape {list(shape)}, but takes "
            f"{end - start} bytes"
        )
    return tensor


def _is_number(value: object) -> bool:
    return type(value) is int and 0 <= value <= LARGEST_NUMBER
