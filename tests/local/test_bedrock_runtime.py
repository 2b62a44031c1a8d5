"""Invocations of an imported model, through boto3 and a loopback server."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, EventStreamError
from support.checkpoints.tiny_checkpoint import CONTEXT_TOKENS, END, USER, tiny_checkpoint, to_json
from support.servers.bedrock_endpoint import BUCKET, BedrockEndpoint, bedrock_endpoint, encoded

from local.bedrock import BedrockSettings
from local.bedrock.llama import KeyValueCache, LlamaDecoder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

QUESTION = [{"role": "user", "content": "q?"}]
TURN: list[Any] = [{"role": "user", "content": [{"text": "q?"}]}]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[BedrockEndpoint]:
    with bedrock_endpoint() as served:
        yield served


@pytest.fixture(scope="module")
def second_server() -> Iterator[BedrockEndpoint]:
    with bedrock_endpoint() as served:
        yield served


@pytest.fixture
def fresh(second_server: BedrockEndpoint) -> BedrockEndpoint:
    """Return an endpoint that a test may restart: the models of the other one are shared."""
    second_server.restart()
    return second_server


@pytest.fixture(scope="module")
def model(endpoint: BedrockEndpoint) -> str:
    return endpoint.import_model(tiny_checkpoint(answer="金管"))


def refusal(endpoint: BedrockEndpoint, model: str, body: object) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        endpoint.invoke(model, body)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def test_messages_are_answered_as_a_chat_completion(endpoint: BedrockEndpoint, model: str) -> None:
    answer = endpoint.invoke(model, {"messages": QUESTION, "max_tokens": 50, "temperature": 0})
    assert answer.pop("id").startswith("chatcmpl-")
    assert answer == {
        "object": "chat.completion",
        "created": int(endpoint.clock().timestamp()),
        "model": f"123456789012-{model.rpartition('/')[2]}",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "金管"},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
    }


def test_a_prompt_with_max_tokens_is_answered_as_a_text_completion(
    endpoint: BedrockEndpoint, model: str
) -> None:
    answer = endpoint.invoke(model, {"prompt": "answer:", "max_tokens": 3})
    assert answer["object"] == "text_completion"
    assert answer["choices"] == [
        {"index": 0, "text": "金", "logprobs": None, "finish_reason": "length"}
    ]
    assert answer["usage"] == {"prompt_tokens": 8, "completion_tokens": 3, "total_tokens": 11}


@pytest.mark.parametrize("limit", [{}, {"max_gen_len": 7}])
def test_a_prompt_without_max_tokens_is_answered_as_a_bedrock_completion(
    endpoint: BedrockEndpoint, model: str, limit: dict[str, int]
) -> None:
    assert endpoint.invoke(model, {"prompt": "answer:"} | limit) == {
        "generation": "金管",
        "prompt_token_count": 8,
        "generation_token_count": 7,
        "stop_reason": "stop",
        "logprobs": None,
    }


def test_an_answer_that_max_gen_len_cuts_has_the_stop_reason_length(
    endpoint: BedrockEndpoint, model: str
) -> None:
    answer = endpoint.invoke(model, {"prompt": "z", "max_gen_len": 4})
    assert (answer["generation"], answer["stop_reason"]) == ("zzzz", "length")


def test_the_token_that_begins_a_text_is_not_doubled(endpoint: BedrockEndpoint, model: str) -> None:
    without = endpoint.invoke(model, {"prompt": "z", "max_tokens": 1})
    written_out = endpoint.invoke(model, {"prompt": "<|begin|>z", "max_tokens": 1})
    assert without["usage"] == written_out["usage"]


@pytest.mark.parametrize("stop", ["管", ["never", "管"]])
def test_a_stop_sequence_ends_the_answer_and_is_left_out(
    endpoint: BedrockEndpoint, model: str, stop: object
) -> None:
    answer = endpoint.invoke(model, {"messages": QUESTION, "stop": stop})
    choice = answer["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("金", "stop")
    assert answer["usage"]["completion_tokens"] == 6


@pytest.mark.parametrize("source", ["generation_config.json", "config.json", "tokenizer"])
def test_an_answer_ends_at_the_token_that_any_of_three_files_names(
    fresh: BedrockEndpoint, source: str
) -> None:
    files = tiny_checkpoint()
    config = json.loads(files["config.json"])
    end = config["eos_token_id"]
    config["eos_token_id"] = [end] if source == "config.json" else None
    tokenizer_config = json.loads(files["tokenizer_config.json"])
    tokenizer_config["eos_token"] = END if source == "tokenizer" else USER
    files["config.json"] = to_json(config)
    files["tokenizer_config.json"] = to_json(tokenizer_config)
    if source == "generation_config.json":
        files[source] = to_json({"eos_token_id": end})
    else:
        del files["generation_config.json"]
    answer = fresh.invoke(fresh.import_model(files), {"prompt": "answer:"})
    assert (answer["generation"], answer["stop_reason"]) == ("金管", "stop")


def test_messages_may_hold_parts_of_text_and_a_system_prompt(
    endpoint: BedrockEndpoint, model: str
) -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": parts}]
    # <begin> <sys> s <user> a \n b <assistant>
    assert endpoint.invoke(model, {"messages": messages})["usage"]["prompt_tokens"] == 8


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "not JSON"),
        ([], "not a JSON object"),
        ({}, "required key [prompt] not found"),
        ({"prompt": 1}, "#/prompt: expected type: String"),
        ({"prompt": "a", "max_tokens": "5"}, "#/max_tokens: expected type: Integer"),
        ({"prompt": "a", "max_tokens": True}, "#/max_tokens: expected type: Integer"),
        ({"prompt": "a", "max_tokens": 0}, "#/max_tokens: 0 is not"),
        ({"prompt": "a", "max_gen_len": -1}, "#/max_gen_len: -1 is not"),
        ({"prompt": "a", "temperature": "hot"}, "#/temperature: expected type: Number"),
        ({"prompt": "a", "top_p": 1.5}, "#/top_p: 1.5 is not"),
        ({"prompt": "a", "stop": [1]}, "#/stop"),
        ({"messages": []}, "#/messages"),
        ({"messages": ["q"]}, "#/messages/0: expected type: Object"),
        ({"messages": [{"role": "robot", "content": "q"}]}, "#/messages/0/role: robot"),
        ({"messages": [{"role": "user"}]}, "#/messages/0/content: expected type: String"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "parts of type text only",
        ),
        ({"prompt": "a", "return_logprobs": True}, "does not compute return_logprobs"),
        ({"prompt": "a", "max_tokens": 1, "n": 2}, "does not compute n"),
        (
            {"messages": QUESTION, "response_format": {"type": "json_object"}},
            "does not compute response_format",
        ),
    ],
)
def test_a_body_that_fits_no_format_is_a_validation_error(
    endpoint: BedrockEndpoint, model: str, body: object, message: str
) -> None:
    code, text = refusal(endpoint, model, body)
    assert code == "ValidationException"
    assert message in text


def test_an_answer_that_was_begun_for_the_model_is_refused_with_400(
    endpoint: BedrockEndpoint, model: str
) -> None:
    messages = [*QUESTION, {"role": "assistant", "content": "The answer is"}]
    status, headers, _ = endpoint.request(
        "POST", f"/model/{encoded(model)}/invoke", {"messages": messages}
    )
    assert (status, headers["x-amzn-errortype"]) == (400, "ValidationException")


def test_prompt_and_answer_must_fit_the_context(endpoint: BedrockEndpoint, model: str) -> None:
    room = CONTEXT_TOKENS - 2
    answer = endpoint.invoke(model, {"prompt": "z", "max_tokens": room})
    assert answer["usage"]["total_tokens"] == CONTEXT_TOKENS
    code, text = refusal(endpoint, model, {"prompt": "z", "max_tokens": room + 1})
    assert code == "ValidationException"
    assert f"maximum context length is {CONTEXT_TOKENS} tokens" in text


def test_a_chat_template_that_refuses_is_a_validation_error(fresh: BedrockEndpoint) -> None:
    template = "{{ raise_exception('no questions today') }}"
    model = fresh.import_model(tiny_checkpoint(chat_template=template))
    code, text = refusal(fresh, model, {"messages": QUESTION})
    assert code == "ValidationException"
    assert "no questions today" in text


def test_messages_to_a_model_without_a_chat_template_are_a_validation_error(
    fresh: BedrockEndpoint,
) -> None:
    model = fresh.import_model(tiny_checkpoint(chat_template=None))
    code, text = refusal(fresh, model, {"messages": QUESTION})
    prompted = fresh.invoke(model, {"prompt": "answer:"})
    assert code == "ValidationException"
    assert "no chat template" in text
    assert prompted["generation"] == "金管"


def test_a_cold_model_is_not_ready_until_it_was_asked_for_a_few_times(
    fresh: BedrockEndpoint,
) -> None:
    fresh.restart(BedrockSettings(cold_starts=2, idle_seconds=300))
    model = fresh.import_model(tiny_checkpoint())
    path, body = f"/model/{encoded(model)}/invoke", {"prompt": "answer:"}
    for _ in range(2):
        status, headers, answer = fresh.request("POST", path, body)
        assert (status, headers["x-amzn-errortype"]) == (429, "ModelNotReadyException")
        assert answer["message"].startswith(
            f"Model {model} is not ready to serve inference requests. The AWS SDK will "
            "automatically retry the operation up to 5 times."
        )
    assert fresh.invoke(model, body)["generation"] == "金管"
    fresh.clock.advance(300)
    assert fresh.invoke(model, body)["generation"] == "金管"
    fresh.clock.advance(301)
    assert refusal(fresh, model, body)[0] == "ModelNotReadyException"


def test_a_model_is_invoked_by_its_arn_only(endpoint: BedrockEndpoint, model: str) -> None:
    del model
    code, text = refusal(endpoint, "tiny", {"prompt": "a"})
    assert (code, text) == ("ValidationException", "The provided model identifier is invalid.")


def test_an_unknown_model_is_not_found(endpoint: BedrockEndpoint, model: str) -> None:
    unknown = model[:-12] + "0" * 12
    assert refusal(endpoint, unknown, {"prompt": "a"})[0] == "ResourceNotFoundException"


def test_a_deleted_model_is_not_found(fresh: BedrockEndpoint) -> None:
    model = fresh.import_model(tiny_checkpoint())
    fresh.invoke(model, {"prompt": "answer:"})
    fresh.bedrock.delete_imported_model(modelIdentifier="tiny")
    assert refusal(fresh, model, {"prompt": "a"})[0] == "ResourceNotFoundException"


def test_a_model_answers_after_its_staged_files_are_deleted(fresh: BedrockEndpoint) -> None:
    model = fresh.import_model(tiny_checkpoint())
    staged = fresh.s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    for row in staged:
        fresh.s3.delete_object(Bucket=BUCKET, Key=row["Key"])
    assert fresh.invoke(model, {"prompt": "answer:"})["generation"] == "金管"


def test_an_architecture_that_is_not_computed_here_imports_and_says_so(
    fresh: BedrockEndpoint,
) -> None:
    files = tiny_checkpoint()
    config = json.loads(files["config.json"])
    config |= {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}
    model = fresh.import_model(files | {"config.json": to_json(config)})
    code, text = refusal(fresh, model, {"prompt": "a"})
    assert code == "ModelErrorException"
    assert "does not compute the architecture qwen2" in text


def test_a_model_that_is_too_large_to_hold_imports_and_says_so(fresh: BedrockEndpoint) -> None:
    fresh.restart(BedrockSettings(cold_starts=0, held_weights_bytes_at_most=9))
    model = fresh.import_model(tiny_checkpoint())
    code, text = refusal(fresh, model, {"prompt": "a"})
    assert code == "ModelErrorException"
    assert "holds no copy of the weights" in text


def test_a_streamed_chat_adds_up_to_the_whole_answer(endpoint: BedrockEndpoint, model: str) -> None:
    chunks = endpoint.stream(model, {"messages": QUESTION, "max_tokens": 50})
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert [delta.get("role") for delta in deltas] == ["assistant", None, None]
    assert [delta["content"] for delta in deltas] == ["金", "管", ""]
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert reasons == [None, None, "stop"]
    assert ["usage" in chunk for chunk in chunks] == [False, False, True]


def test_a_streamed_completion_comes_in_its_own_format(
    endpoint: BedrockEndpoint, model: str
) -> None:
    openai = endpoint.stream(model, {"prompt": "answer:", "max_tokens": 50})
    assert [chunk["choices"][0]["text"] for chunk in openai] == ["金", "管", ""]
    bedrock = endpoint.stream(model, {"prompt": "answer:"})
    assert [chunk["generation"] for chunk in bedrock] == ["金", "管", ""]
    assert [chunk["prompt_token_count"] for chunk in bedrock] == [8, None, None]


def test_the_last_chunk_of_a_stream_has_the_invocation_metrics(
    endpoint: BedrockEndpoint, model: str
) -> None:
    *others, last = endpoint.stream(model, {"prompt": "answer:"})
    metrics = last["amazon-bedrock-invocationMetrics"]
    assert (metrics["inputTokenCount"], metrics["outputTokenCount"]) == (8, 7)
    assert not any("amazon-bedrock-invocationMetrics" in chunk for chunk in others)


def test_a_streamed_answer_holds_back_what_may_become_a_stop_sequence(
    endpoint: BedrockEndpoint, model: str
) -> None:
    chunks = endpoint.stream(model, {"prompt": "answer:", "stop": ["金管"]})
    assert [chunk["generation"] for chunk in chunks] == [""]


def test_a_stream_of_a_cold_model_is_refused_before_it_starts(fresh: BedrockEndpoint) -> None:
    fresh.restart(BedrockSettings(cold_starts=1))
    model = fresh.import_model(tiny_checkpoint())
    with pytest.raises(fresh.runtime.exceptions.ModelNotReadyException):
        fresh.stream(model, {"prompt": "answer:"})
    assert fresh.stream(model, {"prompt": "answer:"})


def test_a_stream_that_breaks_off_ends_with_a_model_stream_error(
    endpoint: BedrockEndpoint, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = LlamaDecoder.next_logits

    def fail_later(self: LlamaDecoder, ids: Sequence[int], cache: KeyValueCache) -> Any:  # noqa: ANN401  logits
        if cache.tokens > 10:
            raise FloatingPointError
        return computed(self, ids, cache)

    monkeypatch.setattr(LlamaDecoder, "next_logits", fail_later)
    streamed = endpoint.runtime.invoke_model_with_response_stream(
        modelId=model, body=json.dumps({"prompt": "answer:"})
    )
    chunks: list[dict[str, Any]] = []
    with (
        closing(streamed["body"]),
        pytest.raises(EventStreamError, match="modelStreamErrorException"),
    ):
        chunks.extend(json.loads(event["chunk"]["bytes"]) for event in streamed["body"])
    assert [chunk["generation"] for chunk in chunks] == ["金"]


def test_converse_answers_in_its_own_shape(endpoint: BedrockEndpoint, model: str) -> None:
    answer = endpoint.runtime.converse(
        modelId=model, messages=TURN, system=[{"text": "s"}], inferenceConfig={"maxTokens": 50}
    )
    assert answer["output"]["message"] == {"role": "assistant", "content": [{"text": "金管"}]}
    assert answer["stopReason"] == "end_turn"
    assert answer["usage"] == {"inputTokens": 7, "outputTokens": 7, "totalTokens": 14}
    assert answer["metrics"] == {"latencyMs": 0}


@pytest.mark.parametrize(
    ("inference", "reason"),
    [({"maxTokens": 2}, "max_tokens"), ({"stopSequences": ["管"]}, "stop_sequence")],
)
def test_converse_says_why_the_answer_ended(
    endpoint: BedrockEndpoint, model: str, inference: dict[str, Any], reason: str
) -> None:
    request: dict[str, Any] = {"modelId": model, "messages": TURN, "inferenceConfig": inference}
    answer = endpoint.runtime.converse(**request)
    assert answer["stopReason"] == reason


def test_converse_stream_adds_up_to_the_whole_answer(endpoint: BedrockEndpoint, model: str) -> None:
    events = list(endpoint.runtime.converse_stream(modelId=model, messages=TURN)["stream"])
    assert [next(iter(event)) for event in events] == [
        "messageStart",
        "contentBlockDelta",
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
    ]
    texts = [event["contentBlockDelta"]["delta"]["text"] for event in events[1:3]]
    assert "".join(texts) == "金管"
    assert events[4]["messageStop"]["stopReason"] == "end_turn"
    assert events[5]["metadata"]["usage"]["totalTokens"] == 12


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([], "must start with a user message"),
        ([{"role": "assistant", "content": [{"text": "a"}]}], "must start with a user message"),
        ([*TURN, *TURN], "must alternate"),
        ([*TURN, {"role": "assistant", "content": [{"text": "a"}]}], "must end with a user"),
        (
            [{"role": "user", "content": [{"image": {"format": "png", "source": {"bytes": b""}}}]}],
            "other than text",
        ),
    ],
)
def test_a_conversation_out_of_order_is_a_validation_error(
    endpoint: BedrockEndpoint, model: str, messages: list[Any], message: str
) -> None:
    with pytest.raises(endpoint.runtime.exceptions.ValidationException, match=message):
        endpoint.runtime.converse(modelId=model, messages=messages)


def test_converse_refuses_a_model_that_is_not_instruct_supported(fresh: BedrockEndpoint) -> None:
    settings = BedrockSettings(cold_starts=0, converse_model_types=frozenset())
    fresh.restart(settings)
    model = fresh.import_model(tiny_checkpoint())
    for converse in (fresh.runtime.converse, fresh.runtime.converse_stream):
        with pytest.raises(
            fresh.runtime.exceptions.ValidationException,
            match=r"This action doesn't support the model that you provided\. Try again with "
            r"a supported text or chat model\.",
        ):
            converse(modelId=model, messages=TURN)
