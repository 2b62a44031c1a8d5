"""Chat templates as they are published, as they are broken, and what preflight says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.fakes.fake_repository import to_json

from model_import.chat.template import special_tokens
from model_import.preflight.chat_template import check_chat_template
from model_import.preflight.tokenizer import Tokenizer
from model_import.preflight.vocabulary import Vocabulary

if TYPE_CHECKING:
    from model_import.findings.finding import Finding

# As published on the Hub, 2024; Zephyr's without its line breaks.
LLAMA_3 = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}"
    "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
    "+ message['content'] | trim + '<|eot_id|>' %}"
    "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}"
    "{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
CHATML = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}"
    "{% endif %}{% if message['role'] == 'user' %}"
    "{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token + ' ' }}"
    "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}"
    "{% endif %}{% endfor %}"
)
ZEPHYR = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content']"
    " + eos_token }}{% if loop.last and add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
    "{% endfor %}"
)
QWEN2_VL = (
    "{% set image_count = namespace(value=0) %}{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n{% else %}"
    "{% for content in message['content'] %}"
    "{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}"
    "{% set image_count.value = image_count.value + 1 %}"
    "{% if add_vision_id %}Picture {{ image_count.value }}: {% endif %}"
    "<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
DEEPSEEK = (
    "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}"
    "{% endif %}{% set ns = namespace(system_prompt='') %}{%- for message in messages %}"
    "{%- if message['role'] == 'system' %}{% set ns.system_prompt = message['content'] %}"
    "{%- endif %}{%- endfor %}{{bos_token}}{{ns.system_prompt}}{%- for message in messages %}"
    "{%- if message['role'] == 'user' %}{{'<｜User｜>' + message['content']}}{%- endif %}"
    "{%- if message['role'] == 'assistant' %}{% set content = message['content'] %}"
    "{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}"
    "{{'<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>'}}{%- endif %}{%- endfor %}"
    "{% if add_generation_prompt %}{{'<｜Assistant｜><think>\n'}}{% endif %}"
)

OF_LLAMA_3 = {
    "<|begin_of_text|>": 128000,
    "<|end_of_text|>": 128001,
    "<|start_header_id|>": 128006,
    "<|end_header_id|>": 128007,
    "<|eot_id|>": 128009,
}
OF_QWEN = {
    "<|endoftext|>": 151643,
    "<|im_start|>": 151644,
    "<|im_end|>": 151645,
    "<|vision_start|>": 151652,
    "<|vision_end|>": 151653,
    "<|image_pad|>": 151655,
}
OF_LLAMA_2 = {"<unk>": 0, "<s>": 1, "</s>": 2}
OF_DEEPSEEK = {
    "<｜begin▁of▁sentence｜>": 128000,
    "<｜end▁of▁sentence｜>": 128001,
    "<｜User｜>": 128011,
    "<｜Assistant｜>": 128012,
}
LLAMA_3_ENDS = (128001, 128009)


def tokenizer_of(vocabulary: dict[str, int], **config: Any) -> Tokenizer:  # noqa: ANN401 any JSON
    return Tokenizer(config, Vocabulary(vocabulary, frozenset(vocabulary)), special_tokens(config))


def check(
    template: object,
    vocabulary: dict[str, int],
    ends: tuple[int, ...] | None,
    *,
    multimodal: bool = False,
    **tokens: str,
) -> list[Finding]:
    tokenizer = tokenizer_of(vocabulary, chat_template=template, **tokens)
    return list(check_chat_template({}, tokenizer, ends, multimodal=multimodal))


def codes(*arguments: Any, **options: Any) -> list[str]:  # noqa: ANN401 handed on
    return [finding.code for finding in check(*arguments, **options)]


@pytest.mark.parametrize(
    ("template", "vocabulary", "ends", "tokens"),
    [
        (LLAMA_3, OF_LLAMA_3, LLAMA_3_ENDS, {"bos_token": "<|begin_of_text|>"}),
        (CHATML, OF_QWEN, (151645, 151643), {"eos_token": "<|im_end|>"}),
        (
            DEEPSEEK,
            OF_DEEPSEEK,
            (128001,),
            {"bos_token": "<｜begin▁of▁sentence｜>"},
        ),
    ],
    ids=["Llama 3", "Qwen2", "DeepSeek-R1-Distill"],
)
def test_a_published_template_on_its_own_family_is_no_finding(
    template: str, vocabulary: dict[str, int], ends: tuple[int, ...], tokens: dict[str, Any]
) -> None:
    assert codes(template, vocabulary, ends, **tokens) == []


def test_a_published_template_for_images_is_no_finding() -> None:
    assert codes(QWEN2_VL, OF_QWEN, (151645,), multimodal=True) == []


def test_a_template_without_a_place_for_images_is_said_to_have_none() -> None:
    template = "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}"
    (finding,) = check(template, OF_QWEN, (151645,), multimodal=True)
    assert finding.code == "CHAT_TEMPLATE_LIMITED"
    assert "an image: it writes no token for the image" in finding.found
    assert codes(template, OF_QWEN, (151645,)) == []


def test_a_template_that_refuses_a_system_message_says_so_with_its_own_words() -> None:
    (finding,) = check(MISTRAL, OF_LLAMA_2, (2,), bos_token="<s>", eos_token="</s>")
    assert (finding.code, finding.severity) == ("CHAT_TEMPLATE_LIMITED", "warning")
    assert "a system message: Conversation roles must alternate" in finding.found
    assert "second turn" not in finding.found


def test_a_template_of_another_family_writes_tokens_that_the_vocabulary_lacks() -> None:
    (finding,) = check(CHATML, OF_LLAMA_2, (2,), eos_token="</s>")
    assert (finding.code, finding.severity) == ("CHAT_TEMPLATE_TOKENS_UNKNOWN", "warning")
    assert "It writes <|im_end|>, <|im_start|>" in finding.found


def test_markers_that_a_model_reads_as_text_are_named_with_what_that_may_mean() -> None:
    (finding,) = check(ZEPHYR, OF_LLAMA_2, (2,), eos_token="</s>")
    assert finding.code == "CHAT_TEMPLATE_TOKENS_UNKNOWN"
    assert "Some models were trained this way" in finding.remedy
    assert finding.severity == "warning"


def test_a_template_without_any_token_is_a_warning() -> None:
    template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    assert codes(template, OF_LLAMA_2, (2,)) == ["CHAT_TEMPLATE_WITHOUT_TOKENS"]


def test_a_turn_that_ends_at_a_token_at_which_generation_goes_on_is_a_warning() -> None:
    (finding,) = check(LLAMA_3, OF_LLAMA_3, (128001,), bos_token="<|begin_of_text|>")
    assert (finding.code, finding.severity) == ("ANSWER_NOT_ENDED", "warning")
    assert "ends an answer with <|eot_id|> (128009), but generation stops at 128001" in (
        finding.found
    )


def test_where_generation_stops_is_not_held_against_a_template_when_it_is_unknown() -> None:
    assert codes(LLAMA_3, OF_LLAMA_3, None, bos_token="<|begin_of_text|>") == []


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("{% for m in messages %}", "Unexpected end of template"),
        ("{{ raise_exception('Tools only') }}", "Tools only"),
        ("{{ messages[0].content.nosuch.deeper }}", "nosuch"),
        ("{{ messages | length }}", "it leaves out 'Which of these is an instrument?'"),
        (
            (
                "{% for m in messages %}{% for part in m.content %}{{ part.text }}{% endfor %}"
                "{% endfor %}"
            ),
            "it leaves out",
        ),
        ("{{ 'x' * 9999999999 }}", "MemoryError"),
    ],
    ids=["cut", "raises", "undefined", "leaves out", "parts only", "endless"],
)
def test_a_template_that_cannot_write_a_user_message_is_a_warning_with_its_reason(
    template: str, found: str
) -> None:
    (finding,) = check(template, OF_LLAMA_2, (2,))
    assert (finding.code, finding.severity) == ("CHAT_TEMPLATE_INVALID", "warning")
    assert found in finding.found


def test_a_template_that_leaves_out_the_system_message_is_said_to() -> None:
    template = (
        "{% for m in messages if m.role != 'system' %}{{ bos_token ~ m.content ~ eos_token }}"
        "{% endfor %}"
    )
    (finding,) = check(template, OF_LLAMA_2, (2,), bos_token="<s>", eos_token="</s>")
    assert finding.code == "CHAT_TEMPLATE_LIMITED"
    assert "a system message: it leaves out 'Answer in one word.'" in finding.found


def test_several_templates_without_a_default_one_are_named() -> None:
    templates = [{"name": "tool_use", "template": "a"}, {"name": "rag", "template": "b"}]
    (finding,) = check(templates, OF_LLAMA_2, (2,))
    assert (finding.code, finding.severity) == ("CHAT_TEMPLATE_UNDECIDED", "warning")
    assert "2 templates (rag, tool_use)" in finding.found


@pytest.mark.parametrize("template", [None, "", [], {}, 7, [{"name": 1}], ["x"]])
def test_what_is_no_template_is_a_missing_one(template: object) -> None:
    assert codes(template, OF_LLAMA_2, (2,)) == ["CHAT_TEMPLATE_MISSING"]


@pytest.mark.parametrize(
    "files",
    [
        {"chat_template.jinja": b"\xff"},
        {"chat_template.json": b"{"},
        {"chat_template.json": b"[]"},
        {"chat_template.json": b"{}"},
        {"chat_template.json": b"[" * 100_000},
    ],
)
def test_a_separate_file_that_holds_no_template_is_a_warning(files: dict[str, bytes]) -> None:
    tokenizer = tokenizer_of(OF_LLAMA_2, chat_template=MISTRAL)
    (finding,) = check_chat_template(files, tokenizer, (2,), multimodal=False)
    assert finding.code == "CHAT_TEMPLATE_INVALID"
    assert f"{next(iter(files))} does not contain a template" in finding.found


def test_a_separate_template_goes_before_the_embedded_one() -> None:
    tokenizer = tokenizer_of(OF_QWEN, chat_template="{{ raise_exception('embedded') }}")
    for files in (
        {"chat_template.jinja": CHATML.encode()},
        {"chat_template.json": to_json({"chat_template": CHATML})},
    ):
        assert list(check_chat_template(files, tokenizer, (151645,), multimodal=False)) == []
