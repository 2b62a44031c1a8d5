"""Headers of safetensors files: read as the format says, and refused in one way only."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from model_import.model_files.safetensors import (
    DTYPE_BITS,
    HEADER_BYTES_AT_MOST,
    LARGEST_NUMBER,
    Header,
    SafetensorsHeaderError,
    Tensor,
    header_length,
    parse_header,
)

NAMES = st.text(max_size=8).filter(lambda name: name != "__metadata__")
NUMBERS = st.integers(-3, 40) | st.integers() | st.floats() | st.just(10**4000) | st.booleans()
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from([*DTYPE_BITS, "F8_E9M9", "", 1]),
        "shape": st.lists(NUMBERS, max_size=4) | NUMBERS,
        "data_offsets": st.lists(NUMBERS, min_size=1, max_size=3) | NUMBERS,
    },
)
JSON_VALUES = st.recursive(
    st.none() | NUMBERS | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


def entry(dtype: object, shape: object, start: object, end: object) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def header_text(**tensors: object) -> bytes:
    return json.dumps(tensors).encode()


def refusal(text: bytes) -> str:
    with pytest.raises(SafetensorsHeaderError) as caught:
        parse_header(text)
    return str(caught.value)


@st.composite
def valid_headers(draw: st.DrawFn) -> tuple[bytes, Header]:
    """Return a header in any order of its keys, and what it says in the order of the data."""
    tensors, position = [], 0
    for name in draw(st.lists(NAMES, unique=True, max_size=6)):
        dtype = draw(st.sampled_from(["F32", "BF16", "I64", "F8_E4M3"]))
        rows, columns = draw(st.integers(1, 5)), draw(st.integers(1, 5))
        end = position + rows * columns * DTYPE_BITS[dtype] // 8
        tensors.append(Tensor(name, dtype, (rows, columns), position, end))
        position = end
    data: dict[str, Any] = {
        tensor.name: entry(tensor.dtype, tensor.shape, tensor.start, tensor.end)
        for tensor in draw(st.permutations(tensors))
    }
    framework = draw(st.sampled_from([None, "", "pt"]))
    if framework is not None:
        data["__metadata__"] = {"format": framework} if framework else {}
    text = (json.dumps(data) + " " * draw(st.integers(0, 9))).encode()
    return text, Header(tuple(tensors), len(text), framework)


@settings(deadline=None)
@given(valid_headers())
def test_a_header_gives_back_the_tensors_that_it_declares(
    valid: tuple[bytes, Header],
) -> None:
    text, header = valid
    data_bytes = header.tensors[-1].end if header.tensors else 0
    assert parse_header(text) == header
    assert parse_header(text).file_bytes == 8 + len(text) + data_bytes


@settings(deadline=None, max_examples=300)
@given(st.binary() | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_bytes_are_a_header_or_raise_the_one_error(text: bytes) -> None:
    try:
        parse_header(text)
    except SafetensorsHeaderError:
        return


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(NAMES, ENTRIES, max_size=4))
def test_what_is_accepted_covers_the_data_without_gap_or_overlap(data: dict[str, object]) -> None:
    try:
        header = parse_header(json.dumps(data).encode())
    except SafetensorsHeaderError:
        return
    position = 0
    for tensor in header.tensors:
        assert tensor.start == position
        assert tensor.start <= tensor.end <= LARGEST_NUMBER
        assert tensor.parameters <= LARGEST_NUMBER
        position = tensor.end
    assert header.file_bytes == 8 + header.header_bytes + position


@settings(deadline=None)
@given(st.binary(max_size=16), st.integers(0, 2**65))
def test_a_length_is_one_that_the_file_has_room_for_or_raises_the_one_error(
    first_bytes: bytes, file_bytes: int
) -> None:
    try:
        length = header_length(first_bytes, file_bytes)
    except SafetensorsHeaderError:
        return
    assert 2 <= length <= HEADER_BYTES_AT_MOST
    assert 8 + length <= file_bytes


@pytest.mark.parametrize(
    ("first_bytes", "file_bytes", "why"),
    [
        (b"", 0, "the file ends after 0 bytes"),
        (b"1234567", 7, "the file ends after 7 bytes"),
        (b"\0" * 8, 100, "a header of 0 bytes"),
        (b"\xff" * 8, 100, f"a header of {LARGEST_NUMBER} bytes"),
        ((HEADER_BYTES_AT_MOST + 1).to_bytes(8, "little"), 2**40, "a header of 10000001 bytes"),
        ((93).to_bytes(8, "little"), 100, "a header of 93 bytes, but is 100 bytes long"),
        (b"<!DOCTYPE html>", 5_000, "first eight bytes announce"),
        (b"version https://git-lfs", 134, "first eight bytes announce"),
    ],
)
def test_a_length_that_cannot_be_one_is_refused(
    first_bytes: bytes, file_bytes: int, why: str
) -> None:
    with pytest.raises(SafetensorsHeaderError, match=why):
        header_length(first_bytes, file_bytes)


def test_the_largest_header_and_one_that_fills_the_file_are_accepted() -> None:
    largest = HEADER_BYTES_AT_MOST.to_bytes(8, "little")
    assert header_length(largest, HEADER_BYTES_AT_MOST + 8) == HEADER_BYTES_AT_MOST
    assert header_length((2).to_bytes(8, "little"), 10) == 2


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"{}x",
        '{"a": 1}'.encode("utf-16"),
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"t": {"shape": [' + b"9" * 5_000 + b"]}}",
    ],
)
def test_a_header_that_is_not_json_in_utf_8_is_refused(text: bytes) -> None:
    assert "its header is not JSON" in refusal(text)


@pytest.mark.parametrize("text", [b"[]", b"1", b"null", b'"{}"', b"NaN"])
def test_a_header_that_is_no_object_is_refused(text: bytes) -> None:
    assert refusal(text) == "its header is not a JSON object"


@pytest.mark.parametrize(
    "text",
    [
        b'{"a": {}, "a": {}}',
        b'{"a": {"dtype": "U8", "dtype": "I8", "shape": [1], "data_offsets": [0, 1]}}',
        b'{"__metadata__": {"format": "pt", "format": "np"}}',
    ],
)
def test_a_key_that_comes_twice_is_refused_at_any_depth(text: bytes) -> None:
    assert refusal(text) == "its header has a duplicate key"


@pytest.mark.parametrize("metadata", [1, [], "pt", {"format": 1}, {"a": {"b": "c"}}])
def test_metadata_other_than_texts_by_name_are_refused(metadata: object) -> None:
    assert "__metadata__" in refusal(header_text(__metadata__=metadata))


@pytest.mark.parametrize("metadata", [None, {}, {"format": "pt", "": ""}])
def test_metadata_may_be_null_or_any_texts(metadata: object) -> None:
    assert parse_header(header_text(__metadata__=metadata)).tensors == ()


def test_a_tensor_has_as_many_dimensions_as_torch_knows() -> None:
    text = header_text(w=entry("U8", [1] * 64, 0, 1))
    assert parse_header(text).tensors[0].parameters == 1


@pytest.mark.parametrize("dimensions", [65, 1_000_000])
def test_a_tensor_of_more_dimensions_is_refused(dimensions: int) -> None:
    text = header_text(w=entry("U8", [1] * dimensions, 0, 1))
    assert "tensor 'w' is declared as" in refusal(text)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        entry(1, [1], 0, 1),
        entry("U8", 1, 0, 1),
        entry("U8", ["1"], 0, 1),
        entry("U8", [True], 0, 1),
        entry("U8", [1.0], 0, 1),
        entry("U8", [-1], 0, 1),
        entry("U8", [1], -1, 0),
        entry("U8", [1], float("nan"), 1),
        entry("U8", [1], 0, float("inf")),
        entry("U8", [1], 0, LARGEST_NUMBER + 1),
        entry("X9", [1], 0, 10**4000),
        entry("X9", [LARGEST_NUMBER + 1], 0, 1),
        {"dtype": "U8", "shape": [1], "data_offsets": [0]},
        {"dtype": "U8", "shape": [1], "data_offsets": [0, 1, 2]},
        {"dtype": "U8", "shape": [1]},
    ],
)
def test_a_tensor_that_is_declared_otherwise_is_refused_by_name(value: object) -> None:
    assert refusal(header_text(the_tensor=value)).startswith("tensor 'the_tensor' is declared as ")


def test_a_tensor_of_more_elements_than_the_format_can_count_is_refused() -> None:
    overflowing = entry("X9", [2**32, 2**32], 0, 1)
    assert "'the_tensor' is declared as" in refusal(header_text(the_tensor=overflowing))


def test_a_tensor_that_ends_before_it_starts_is_refused_whatever_its_dtype() -> None:
    text = header_text(first=entry("U8", [8], 0, 8), second=entry("X9", [1], 8, 3))
    assert "tensor 'second' is declared as" in refusal(text)


@pytest.mark.parametrize(
    ("dtype", "shape", "end"),
    [("BF16", [2, 3], 11), ("F32", [2], 2), ("F4", [3], 2), ("U8", [0], 1), ("F64", [], 4)],
)
def test_a_tensor_whose_bytes_do_not_hold_its_shape_is_refused(
    dtype: str, shape: list[int], end: int
) -> None:
    found = refusal(header_text(t=entry(dtype, shape, 0, end)))
    assert found == f"tensor 't' has dtype {dtype} and shape {shape}, but takes {end} bytes"


@pytest.mark.parametrize(
    ("second", "why"),
    [
        ((5, 9), "tensor 'second' starts at 5, not at 4"),
        ((3, 7), "tensor 'second' starts at 3, not at 4"),
        ((0, 4), "tensor 'second' starts at 0, not at 4"),
    ],
)
def test_a_gap_and_an_overlap_are_refused(second: tuple[int, int], why: str) -> None:
    text = header_text(first=entry("U8", [4], 0, 4), second=entry("U8", [4], *second))
    assert why in refusal(text)


def test_data_that_does_not_begin_at_the_beginning_is_refused() -> None:
    assert "starts at 1, not at 0" in refusal(header_text(t=entry("U8", [1], 1, 2)))


def test_scalars_empty_tensors_and_unknown_dtypes_are_taken() -> None:
    header = parse_header(
        header_text(
            unknown=entry("F8_NEW", [7], 4, 5),
            empty=entry("F32", [0, 3], 4, 4),
            scalar=entry("F32", [], 0, 4),
        )
    )
    assert [(t.name, t.parameters) for t in header.tensors] == [
        ("scalar", 1),
        ("empty", 0),
        ("unknown", 7),
    ]
