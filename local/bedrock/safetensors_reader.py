"""Reads safetensors: checks headers as a loader does, and returns tensors as float32.

The local Bedrock shares no reader with the project, so that it checks the staged files
independently.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

LENGTH_BYTES = 8
# The safetensors library refuses a larger header.
HEADER_BYTES_AT_MOST = 100_000_000
_WIDTHS = {"F32": 4, "F16": 2, "BF16": 2}


class SafetensorsError(ValueError):
    """A file does not follow the format; the message says why."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor's place in its file; `start` and `end` count from the file's first byte."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


def header_bytes(first_bytes: bytes, file_bytes: int) -> int:
    """Return the length of the header that a file's first eight bytes announce."""
    if len(first_bytes) < LENGTH_BYTES:
        raise SafetensorsError(f"it has {file_bytes} bytes, too few for a safetensors file")
    length = int.from_bytes(first_bytes[:LENGTH_BYTES], "little")
    if length > HEADER_BYTES_AT_MOST or LENGTH_BYTES + length > file_bytes:
        raise SafetensorsError(f"its header of {length} bytes does not fit {file_bytes} bytes")
    return length


def read_header(header: bytes, file_bytes: int) -> dict[str, Tensor]:
    """Return a file's tensors by name.

    Raises:
        SafetensorsError: The header is not a JSON object of tensors, or the tensors do not fill
            the file without a gap from the end of the header.
    """
    try:
        rows = json.loads(header)
        offset = LENGTH_BYTES + len(header)
        tensors = {
            name: _tensor(row, offset) for name, row in rows.items() if name != "__metadata__"
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SafetensorsError("its header is not a JSON object of tensors") from error
    _refuse_gaps(tensors, offset, file_bytes)
    return tensors


def to_float32(tensor: Tensor, file: memoryview) -> NDArray[np.float32]:
    """Return a tensor's values from the bytes of its file."""
    data = file[tensor.start : tensor.end]
    if tensor.dtype == "BF16":
        # A bfloat16 is the upper half of a float32.
        widened = np.frombuffer(data, "<u2").astype("<u4") << np.uint32(16)
        values = widened.view("<f4")
    else:
        values = np.frombuffer(data, "<f4" if tensor.dtype == "F32" else "<f2").astype("<f4")
    return values.reshape(tensor.shape)


def _tensor(row: dict[str, object], offset: int) -> Tensor:
    start, end = _integers(row["data_offsets"])
    return Tensor(
        dtype=str(row["dtype"]),
        shape=tuple(_integers(row["shape"])),
        start=offset + start,
        end=offset + end,
    )


def _integers(values: object) -> list[int]:
    if not isinstance(values, list) or not all(type(value) is int for value in values):
        raise TypeError("not a list of integers")
    return values


def _refuse_gaps(tensors: Mapping[str, Tensor], offset: int, file_bytes: int) -> None:
    position = offset
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].end)):
        if tensor.start != position:
            raise SafetensorsError(f"tensor {name} starts at {tensor.start}, not at {position}")
        width = _WIDTHS.get(tensor.dtype)
        if width and tensor.end - tensor.start != tensor.elements * width:
            raise SafetensorsError(
                f"tensor {name} has {tensor.end - tensor.start} bytes, which "
                f"are not {tensor.elements} values of {tensor.dtype}"
            )
        position = tensor.end
    if position != file_bytes:
        raise SafetensorsError(f"its tensors end at byte {position} and the file at {file_bytes}")
