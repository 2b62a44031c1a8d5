"""One invocation of an imported model: the body that is sent, and the judgement of the answer."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given, settings, strategies as st
from moto import mock_aws
from urllib3 import HTTPResponse

from model_import.chat.format import FORMATS, chat_format
from model_import.errors import ModelNotReadyError, SmokeTestFailedError
from model_import.smoke_test.ask import SmokeTestResult, run_smoke_test
from model_import.smoke_test.body import DEFAULT_MESSAGES, Tokenizer, read_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.awsrequest import AWSPreparedRequest
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient
    from mypy_boto3_s3 import S3Client

BEFORE_SEND = "before-send.bedrock-runtime.InvokeModel"
MODEL_ARN = "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl"
ENTERED_AT = datetime(2026, 10, 5, 12, 0, tzinfo=UTC)
WITH_TEMPLATE = Tokenizer(has_chat_template=True, special_tokens=frozenset())
LLAMA_3 = Tokenizer(
    has_chat_template=False,
    special_tokens=frozenset({"<|begin_of_text|>", "<|start_header_id|>", "<|eot_id|>"}),
)
CHATML = Tokenizer(
    has_chat_template=False, special_tokens=frozenset({"<|im_start|>", "<|im_end|>"})
)
BASE_MODEL = Tokenizer(has_chat_template=False, special_tokens=frozenset({"<s>", "</s>"}))
QUESTION = DEFAULT_MESSAGES[-1]["content"]
USAGE = {"prompt_tokens": 20, "completion_tokens": 3, "total_tokens": 23}
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
ANSWERS = JSON_VALUES | st.fixed_dictionaries(
    {},
    optional={
        "choices": JSON_VALUES
        | st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "message": JSON_VALUES | st.fixed_dictionaries({"content": JSON_VALUES}),
                    "text": JSON_VALUES,
                    "finish_reason": JSON_VALUES,
                },
            ),
            max_size=2,
        ),
        "generation": JSON_VALUES,
        "stop_reason": JSON_VALUES,
        "usage": JSON_VALUES,
    },
)


class Bedrock:
    """Stands behind a real client: answers its requests, and keeps their bodies."""

    def __init__(self, client: BedrockRuntimeClient) -> None:
        self.client = client
        self.bodies: list[dict[str, Any]] = []
        self.status, self.answer, self.error = 200, b"{}", ""

    def __enter__(self) -> Self:
        self.client.meta.events.register(BEFORE_SEND, self._send)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.meta.events.unregister(BEFORE_SEND, self._send)

    def answers(self, answer: object) -> None:
        self.answer = json.dumps(answer).encode()

    def refuses(self, status: int, error: str) -> None:
        self.status, self.error = status, error
        self.answers({"message": "the reason"})

    def _send(self, request: AWSPreparedRequest, **_: object) -> Any:  # noqa: ANN401 the stubs say None
        assert MODEL_ARN.rpartition("/")[2] in str(request.url)
        assert isinstance(request.body, bytes)
        self.bodies.append(json.loads(request.body))
        headers = HTTPHeaders()
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(self.answer)),
            "x-amzn-ErrorType": self.error,
        }.items():
            headers[name] = value
        raw = HTTPResponse(io.BytesIO(self.answer), preload_content=False)
        return AWSResponse(request.url, self.status, headers, raw)


@pytest.fixture(scope="module")
def runtime() -> BedrockRuntimeClient:
    """Return one client for all tests, since it takes long to make."""
    return boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        aws_access_key_id="made-up",
        aws_secret_access_key="made-up",
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def bedrock(runtime: BedrockRuntimeClient) -> Iterator[Bedrock]:
    with Bedrock(runtime) as answering:
        yield answering


def ask(
    bedrock: Bedrock,
    tokenizer: Tokenizer = WITH_TEMPLATE,
    *,
    prompt: str | None = None,
    expect: str | None = None,
    context_length: int | None = 8192,
) -> SmokeTestResult:
    """Invoke 100 s after the state was entered, and be answered 1.5 s later."""
    times = iter(ENTERED_AT + timedelta(seconds=seconds) for seconds in (100, 101.5))
    return run_smoke_test(
        bedrock.client,
        MODEL_ARN,
        tokenizer,
        prompt=prompt,
        expect=expect,
        context_length=context_length,
        entered_at=ENTERED_AT,
        now=lambda: next(times),
    )


def chat(content: object, finish_reason: str = "stop") -> dict[str, Any]:
    message = {"role": "assistant", "content": content}
    return {"choices": [{"message": message, "finish_reason": finish_reason}], "usage": USAGE}


def completion(text: str, finish_reason: str = "stop") -> dict[str, Any]:
    return {"choices": [{"text": text, "finish_reason": finish_reason}], "usage": USAGE}


def generation(text: str, stop_reason: str = "stop") -> dict[str, Any]:
    return {
        "generation": text,
        "stop_reason": stop_reason,
        "prompt_token_count": 20,
        "generation_token_count": 3,
    }


def failure(bedrock: Bedrock, tokenizer: Tokenizer = WITH_TEMPLATE, **how: Any) -> str:  # noqa: ANN401 as `ask`
    with pytest.raises(SmokeTestFailedError) as caught:
        ask(bedrock, tokenizer, **how)
    assert MODEL_ARN in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("form", [chat, completion, generation])
def test_an_answer_is_read_from_each_of_the_three_formats(bedrock: Bedrock, form: Any) -> None:  # noqa: ANN401 any of three
    bedrock.answers(form("  トランペット\n"))
    assert ask(bedrock) == SmokeTestResult(
        prompt=QUESTION,
        answer="トランペット",
        latency_seconds=1.5,
        seconds_to_first_success=101.5,
        prompt_tokens=20,
        answer_tokens=3,
    )


def test_tokens_that_bedrock_does_not_count_are_recorded_as_unknown(bedrock: Bedrock) -> None:
    bedrock.answers({"choices": [{"text": "x", "finish_reason": "stop"}]})
    result = ask(bedrock)
    assert (result.prompt_tokens, result.answer_tokens) == (None, None)
    assert result.to_dict()["answer"] == "x"


def test_a_model_with_a_template_is_sent_messages(bedrock: Bedrock) -> None:
    bedrock.answers(chat("x"))
    ask(bedrock)
    assert bedrock.bodies == [{"messages": DEFAULT_MESSAGES, "max_tokens": 1024, "temperature": 0}]


def test_a_prompt_of_the_input_takes_the_place_of_the_conversation(bedrock: Bedrock) -> None:
    bedrock.answers(chat("x"))
    assert ask(bedrock, prompt="Why {sky}?").prompt == "Why {sky}?"
    assert bedrock.bodies[0]["messages"] == [{"role": "user", "content": "Why {sky}?"}]


def test_a_llama_3_without_a_template_is_sent_its_own_special_tokens(bedrock: Bedrock) -> None:
    bedrock.answers(completion("x"))
    ask(bedrock, LLAMA_3, prompt="Why {sky}?")
    assert bedrock.bodies[0]["prompt"] == (
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nWhy {sky}?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    assert "messages" not in bedrock.bodies[0]


def test_a_chatml_model_without_a_template_is_sent_its_own_special_tokens(
    bedrock: Bedrock,
) -> None:
    bedrock.answers(completion("x"))
    ask(bedrock, CHATML)
    prompt = bedrock.bodies[0]["prompt"]
    assert prompt.startswith(f"<|im_start|>system\n{DEFAULT_MESSAGES[0]['content']}<|im_end|>\n")
    assert "<|im_start|>assistant\nりんご<|im_end|>\n" in prompt
    assert prompt.endswith(f"{QUESTION}<|im_end|>\n<|im_start|>assistant\n")


def test_a_base_model_is_sent_the_bare_question(bedrock: Bedrock) -> None:
    bedrock.answers(completion("トランペット、そして", "length"))
    assert ask(bedrock, BASE_MODEL).answer == "トランペット、そして"
    assert bedrock.bodies[0]["prompt"] == QUESTION


def test_a_template_comes_before_special_tokens(bedrock: Bedrock) -> None:
    bedrock.answers(chat("x"))
    ask(bedrock, Tokenizer(has_chat_template=True, special_tokens=LLAMA_3.special_tokens))
    assert "messages" in bedrock.bodies[0]


@pytest.mark.parametrize(
    ("context_length", "tokens"), [(None, 512), (131_072, 1024), (2048, 1024), (512, 256)]
)
def test_the_answer_is_left_half_of_a_short_context(
    bedrock: Bedrock, context_length: int | None, tokens: int
) -> None:
    bedrock.answers(chat("x"))
    ask(bedrock, context_length=context_length)
    assert bedrock.bodies[0]["max_tokens"] == tokens


@pytest.mark.parametrize(("tokenizer", "stop"), [(LLAMA_3, "<|eot_id|>"), (CHATML, "<|im_end|>")])
def test_the_answer_is_cut_at_the_stop_token_of_the_format(
    bedrock: Bedrock, tokenizer: Tokenizer, stop: str
) -> None:
    bedrock.answers(completion(f"トランペット{stop}user and so on", "length"))
    assert ask(bedrock, tokenizer, expect="トランペット").answer == "トランペット"


def test_what_comes_after_the_stop_token_does_not_meet_the_expectation(bedrock: Bedrock) -> None:
    bedrock.answers(completion("ガラス<|eot_id|>トランペット"))
    assert "it answered 'ガラス', but 'トランペット' is expected" in failure(
        bedrock, LLAMA_3, expect="トランペット"
    )


def test_an_answer_meets_the_expectation_that_it_contains(bedrock: Bedrock) -> None:
    bedrock.answers(chat("答えはトランペットです。"))
    assert ask(bedrock, expect="トランペット").answer == "答えはトランペットです。"


@pytest.mark.parametrize("text", ["", " \n\t", None])
def test_an_empty_answer_fails(bedrock: Bedrock, text: str | None) -> None:
    bedrock.answers(chat(text))
    assert "it gave an empty answer" in failure(bedrock)


def test_an_answer_that_begins_with_the_stop_token_is_empty(bedrock: Bedrock) -> None:
    bedrock.answers(completion("<|eot_id|>トランペット"))
    assert "it gave an empty answer" in failure(bedrock, LLAMA_3)


@pytest.mark.parametrize(
    ("tokenizer", "answer"),
    [
        (WITH_TEMPLATE, chat("ラララ", "length")),
        (LLAMA_3, completion("ラララ", "length")),
        (CHATML, generation("ラララ", "length")),
    ],
)
def test_a_chat_model_that_does_not_end_its_answer_fails(
    bedrock: Bedrock, tokenizer: Tokenizer, answer: dict[str, Any]
) -> None:
    bedrock.answers(answer)
    assert "it did not end its answer by itself: 'ラララ'" in failure(bedrock, tokenizer)


def test_a_cold_start_is_not_ready_and_no_failure(bedrock: Bedrock) -> None:
    bedrock.refuses(429, "ModelNotReadyException")
    with pytest.raises(ModelNotReadyError, match=MODEL_ARN):
        ask(bedrock)


@pytest.mark.parametrize(
    ("status", "error"),
    [(424, "ModelErrorException"), (400, "ValidationException"), (408, "ModelTimeoutException")],
)
def test_a_refusal_that_the_model_is_to_blame_for_fails_in_its_words(
    bedrock: Bedrock, status: int, error: str
) -> None:
    bedrock.refuses(status, error)
    assert f"its invocation failed with {error}: the reason" in failure(bedrock)


@pytest.mark.parametrize(
    ("status", "error"), [(429, "ThrottlingException"), (403, "AccessDeniedException")]
)
def test_any_other_refusal_keeps_its_name(bedrock: Bedrock, status: int, error: str) -> None:
    bedrock.refuses(status, error)
    with pytest.raises(ClientError, match=error):
        ask(bedrock)


@pytest.mark.parametrize("answer", [{"outputs": []}, {"choices": []}, {}, {"generation": None}])
def test_an_answer_of_unknown_form_fails(bedrock: Bedrock, answer: object) -> None:
    bedrock.answers(answer)
    assert "its answer has an unknown format" in failure(bedrock)


@pytest.mark.parametrize("answer", [b"", b"<html>", b"\xff", b"[]", b"null", b'"text"'])
def test_an_answer_that_is_no_json_object_fails(bedrock: Bedrock, answer: bytes) -> None:
    bedrock.answer = answer
    assert "its answer is not a JSON object" in failure(bedrock)


@settings(deadline=None)
@given(answer=ANSWERS, tokenizer=st.sampled_from([WITH_TEMPLATE, LLAMA_3, BASE_MODEL]))
def test_any_json_answer_is_judged(
    runtime: BedrockRuntimeClient, answer: object, tokenizer: Tokenizer
) -> None:
    with Bedrock(runtime) as bedrock:
        bedrock.answers(answer)
        try:
            result = ask(bedrock, tokenizer)
        except SmokeTestFailedError:
            return
        assert result.answer.strip()


def test_a_long_answer_is_recorded_by_its_beginning_and_judged_as_a_whole(
    bedrock: Bedrock,
) -> None:
    bedrock.answers(chat("x" * 5_000 + "トランペット"))
    assert ask(bedrock, prompt="y" * 5_000, expect="トランペット").answer == "x" * 2_000


def test_formats_are_told_apart_by_their_marker() -> None:
    assert [chat_format({format_.marker}) for format_ in FORMATS] == list(FORMATS)
    assert chat_format({"<s>", "</s>"}) is None


@pytest.fixture
def s3() -> Iterator[S3Client]:
    with mock_aws():
        client: S3Client = boto3.client("s3")
        client.create_bucket(Bucket="staging")
        yield client


def staged(s3: S3Client, **files: object) -> Tokenizer:
    """Return what is read of files under one prefix; their names have `__` for the dot."""
    for name, content in files.items():
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        s3.put_object(Bucket="staging", Key=f"models/a/b/c/{name.replace('__', '.')}", Body=body)
    return read_tokenizer(s3, "s3://staging/models/a/b/c/")


@pytest.mark.parametrize("template", ["{{ messages }}", [{"name": "default", "template": "x"}]])
def test_a_template_is_found_in_the_tokenizer_configuration(s3: S3Client, template: object) -> None:
    assert staged(s3, tokenizer_config__json={"chat_template": template}).has_chat_template


@pytest.mark.parametrize("name", ["chat_template__jinja", "chat_template__json"])
def test_a_template_is_found_in_a_file_of_its_own(s3: S3Client, name: str) -> None:
    template = b"{{ messages }}" if name.endswith("jinja") else {"chat_template": "{{ messages }}"}
    files: dict[str, object] = {"tokenizer_config__json": {}, name: template}
    assert staged(s3, **files).has_chat_template


@pytest.mark.parametrize(
    "template",
    [
        "{{ raise_exception('tools only') }}",
        "{% for %}",
        [{"name": "rag", "template": "{{ messages }}"}],
        {"name": "default"},
        7,
    ],
)
def test_a_template_that_takes_no_messages_is_none(s3: S3Client, template: object) -> None:
    assert not staged(s3, tokenizer_config__json={"chat_template": template}).has_chat_template


def test_a_template_that_cannot_be_read_is_none(s3: S3Client) -> None:
    assert not staged(s3, chat_template__jinja=b"\xff").has_chat_template


def test_a_template_that_refuses_a_system_message_is_asked_without_one(
    s3: S3Client, bedrock: Bedrock
) -> None:
    template = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('No system prompt') }}{% endif %}"
        "{{ messages }}"
    )
    tokenizer = staged(s3, tokenizer_config__json={"chat_template": template})
    assert (tokenizer.has_chat_template, tokenizer.accepts_system_messages) == (True, False)
    bedrock.answers(chat("トランペット"))
    ask(bedrock, tokenizer)
    (sent,) = bedrock.bodies
    roles = [message["role"] for message in sent["messages"]]
    assert roles == ["user", "assistant", "user"]
    first = sent["messages"][0]["content"]
    assert first.startswith(DEFAULT_MESSAGES[0]["content"])
    assert first.endswith(DEFAULT_MESSAGES[1]["content"])


def test_special_tokens_come_from_the_tokenizer_configuration(s3: S3Client) -> None:
    decoder = {"0": {"content": "<|im_start|>"}, "1": {"content": "<|im_end|>"}}
    assert staged(s3, tokenizer_config__json={"added_tokens_decoder": decoder}) == Tokenizer(
        has_chat_template=False, special_tokens=frozenset({"<|im_start|>", "<|im_end|>"})
    )


@pytest.mark.parametrize("config", [{}, {"added_tokens_decoder": None, "chat_template": None}])
def test_special_tokens_come_from_the_tokenizer_where_its_configuration_has_none(
    s3: S3Client, config: dict[str, None]
) -> None:
    tokenizer = {"added_tokens": [{"id": 0, "content": "<|start_header_id|>"}]}
    read = staged(s3, tokenizer_config__json=config, tokenizer__json=tokenizer)
    assert read.special_tokens == {"<|start_header_id|>"}
    assert not read.has_chat_template


def test_a_prefix_without_a_tokenizer_is_a_base_model(s3: S3Client) -> None:
    assert staged(s3) == Tokenizer(has_chat_template=False, special_tokens=frozenset())
