"""What a repository may make preflight hold in memory, against what its function has."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest

from local.deployment.stack import read_template
from model_import.model_files.json_files import parse_json
from model_import.model_files.safetensors import (
    HEADER_BYTES_AT_MOST,
    SafetensorsHeaderError,
    parse_header,
)
from model_import.preflight.small_files import JSON_BYTES_AT_MOST
from model_import.preflight.weights import HEADERS_BYTES_AT_MOST

if TYPE_CHECKING:
    from collections.abc import Callable

TRANSIENT_PER_BYTE = 32
"""Of JSON that is being parsed, at the worst: three characters are an empty list."""
KEPT_PER_BYTE = 26
"""Of JSON that was parsed."""
HEADER_KEPT_PER_BYTE = 8
"""Of headers that were parsed: names, numbers and shapes."""
REST_BYTES = 200_000_000
"""The interpreter, the libraries, and the bytes of the files themselves."""


def most_bytes(act: Callable[[], object]) -> tuple[int, int]:
    """Return what an action holds at most, and what is left when it has returned."""
    tracemalloc.start()
    try:
        kept = act()
        left, most = tracemalloc.get_traced_memory()
        del kept
    finally:
        tracemalloc.stop()
    return most, left


@pytest.mark.parametrize("container", ["[]", "{}"])
def test_hostile_json_takes_no_more_for_a_byte_than_is_reckoned_with(container: str) -> None:
    text = f'{{"a": [{",".join([container] * 10_000)}]}}'.encode()

    def parse() -> object:
        with pytest.raises(SafetensorsHeaderError):
            parse_header(text)
        return parse_json(text)

    most, left = most_bytes(parse)
    assert most < TRANSIENT_PER_BYTE * len(text)
    assert left < KEPT_PER_BYTE * len(text)


def test_the_shortest_tensors_keep_no_more_for_a_byte_than_is_reckoned_with() -> None:
    entry = '{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'
    text = f"{{{','.join(f'"{n:x}":{entry}' for n in range(1_000))}}}".encode()

    most, left = most_bytes(lambda: parse_header(text))

    assert most < TRANSIENT_PER_BYTE * len(text)
    assert left < HEADER_KEPT_PER_BYTE * len(text)


def test_the_function_has_the_memory_that_the_caps_allow() -> None:
    properties = read_template()["Resources"]["ValidateRepositoryFunction"]["Properties"]
    memory_bytes = properties["MemorySize"] * 1024**2

    while_json_is_parsed = TRANSIENT_PER_BYTE * JSON_BYTES_AT_MOST
    while_headers_are_parsed = (
        KEPT_PER_BYTE * JSON_BYTES_AT_MOST
        + TRANSIENT_PER_BYTE * HEADER_BYTES_AT_MOST
        + HEADER_KEPT_PER_BYTE * HEADERS_BYTES_AT_MOST
    )
    assert REST_BYTES + max(while_json_is_parsed, while_headers_are_parsed) < memory_bytes
