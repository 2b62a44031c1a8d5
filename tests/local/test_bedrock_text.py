"""Small parts: safetensors, chat templates, stop sequences, model units."""

from __future__ import annotations

import numpy as np
import pytest
from support.checkpoints.tiny_checkpoint import safetensors_file, to_json

from local.bedrock.custom_model_units import custom_model_units
from local.bedrock.safetensors_reader import (
    SafetensorsError,
    header_bytes,
    read_header,
    to_float32,
)
from local.bedrock.text_model import _certain_characters
from model_import.chat.rendering import render_chat
from model_import.chat.template import ChatTemplateError, find_chat_template, special_tokens

VALUES = np.array([[1.0, -2.5], [0.15625, 384.0]], np.float32)
MESSAGES = [{"role": "user", "content": "こんにちは"}]


@pytest.mark.parametrize("dtype", ["BF16", "F16", "F32"])
def test_values_come_back_as_float32(dtype: str) -> None:
    file = safetensors_file({"a": np.zeros((3,), np.float32), "b": VALUES}, dtype)
    length = header_bytes(file[:8], len(file))
    tensors = read_header(file[8 : 8 + length], len(file))
    read = to_float32(tensors["b"], memoryview(file))
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, VALUES)


def test_a_bfloat16_keeps_what_its_eight_bits_hold() -> None:
    file = safetensors_file({"a": np.array([1 / 3], np.float32)}, "BF16")
    tensors = read_header(file[8 : 8 + header_bytes(file[:8], len(file))], len(file))
    assert to_float32(tensors["a"], memoryview(file))[0] == np.float32(0.33203125)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, "starts at"),
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, "are not 2 values of F32"),
        ({"a": {"dtype": "F32", "shape": [1]}}, "not a JSON object of tensors"),
        ({"a": {"dtype": "F32", "shape": ["1"], "data_offsets": [0, 4]}}, "not a JSON object"),
        ([], "not a JSON object of tensors"),
    ],
)
def test_a_header_that_does_not_describe_its_file_is_refused(rows: object, message: str) -> None:
    header = to_json(rows)
    with pytest.raises(SafetensorsError, match=message):
        read_header(header, 8 + len(header) + 4)


def test_a_template_in_a_file_of_its_own_goes_before_the_tokenizers() -> None:
    config = {"chat_template": "tokenizer"}
    json_file = {"chat_template.json": to_json({"chat_template": "json"})}
    assert find_chat_template({"chat_template.jinja": b"jinja"} | json_file, config) == "jinja"
    assert find_chat_template(json_file, config) == "json"
    assert find_chat_template({}, config) == "tokenizer"
    assert find_chat_template({}, {}) is None


def test_of_named_templates_the_default_is_taken() -> None:
    named = [{"name": "rag", "template": "r"}, {"name": "default", "template": "d"}]
    assert find_chat_template({}, {"chat_template": named}) == "d"


def test_a_template_is_rendered_with_blocks_trimmed_and_special_tokens() -> None:
    source = (
        "{{ bos_token }}{% for m in messages %}\n"
        "    {% if true %}\n"
        "[{{ m.role }}]\n"
        "    {% endif %}\n"
        "{% endfor %}"
    )
    tokens = special_tokens({"bos_token": {"content": "<s>"}, "eos_token": None})
    assert render_chat(source, MESSAGES, tokens) == "<s>[user]\n"


def test_a_template_has_what_transformers_gives_it() -> None:
    source = (
        "{% for m in messages %}{% if loop.index0 %}{% break %}{% endif %}{{ m | tojson }}"
        "{% endfor %}{% generation %}|{% endgeneration %}{{ strftime_now('%Y') | length }}"
        "{{ tools is none }}{{ add_generation_prompt }}"
    )
    rendered = render_chat(source, MESSAGES * 2, {})
    assert rendered == '{"role": "user", "content": "こんにちは"}|4TrueTrue'


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ raise_exception('no system prompt') }}", "no system prompt"),
        ("{% for %}", "Expected"),
        ("{{ messages.append(1) }}", "not safely callable|access"),
        ("{{ 1 + 'a' }}", "unsupported operand"),
    ],
)
def test_a_template_that_fails_says_why(source: str, message: str) -> None:
    with pytest.raises(ChatTemplateError, match=message):
        render_chat(source, MESSAGES, {})


@pytest.mark.parametrize(
    ("text", "stops", "certain"),
    [
        ("abc", [], 3),
        ("abc", ["cd"], 2),
        ("abab", ["ababc"], 0),
        ("abc", ["cx", "bcx"], 1),
        ("abc", ["xa"], 3),
        ("ab\N{REPLACEMENT CHARACTER}", [], 2),
    ],
)
def test_text_that_may_still_change_is_held_back(text: str, stops: list[str], certain: int) -> None:
    assert _certain_characters(text, stops) == certain


@pytest.mark.parametrize(
    ("parameters", "units"), [(4.0e9, 1), (8.03e9, 2), (32.8e9, 4), (70.6e9, 8)]
)
def test_a_copy_takes_the_units_that_are_known(parameters: float, units: int) -> None:
    assert custom_model_units("llama", int(parameters)) == {
        "customModelUnitsPerModelCopy": units,
        "customModelUnitsVersion": "v1.0",
    }
