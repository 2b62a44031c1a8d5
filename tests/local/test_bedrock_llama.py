"""The decoder against a slow computation of the same, and against transformers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.servers.bedrock_endpoint import BedrockEndpoint, bedrock_endpoint

from local.bedrock.import_job import import_checkpoint
from local.bedrock.llama import LlamaConfig, LlamaDecoder, NotComputedError, tensor_shapes
from local.bedrock.text_model import TextModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    type Array = NDArray[np.float32]
    type Wide = NDArray[np.float64]

ROOT = Path(__file__).parents[2]
SHIPPED_MODEL = ROOT / "local/repositories/model-import/Tiny-Quiz-Llama-Instruct"
REFERENCE = json.loads((ROOT / "tests/local/data/llama_reference.json").read_text("utf-8"))
TOKENS = [3, 14, 15, 9, 2, 6, 5]
CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "vocab_size": 17,
    "hidden_size": 24,
    "intermediate_size": 20,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 4,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "rope_theta": 100.0,
}


def random_weights(config: Mapping[str, Any]) -> dict[str, Array]:
    generator = np.random.default_rng(7)
    return {
        name: generator.normal(0, 0.4, shape).astype(np.float32)
        for name, shape in tensor_shapes(LlamaConfig.from_dict(config)).items()
    }


def decode(config: Mapping[str, Any], weights: Mapping[str, Array], *parts: Sequence[int]) -> Array:
    """Return the logits after the last part, each part fed to the same cache."""
    decoder = LlamaDecoder(LlamaConfig.from_dict(config), weights)
    cache = decoder.new_cache()
    return [decoder.next_logits(part, cache) for part in parts][-1]


def slow_logits(config: Mapping[str, Any], weights: Mapping[str, Array], ids: list[int]) -> Wide:
    """Return the same in float64, a token and a head at a time, without a cache."""
    heads, key_heads = config["num_attention_heads"], config["num_key_value_heads"]
    size = config["head_dim"]
    wide = {name: values.astype(np.float64) for name, values in weights.items()}

    def linear(name: str, x: Wide) -> Wide:
        return wide[f"{name}.weight"] @ x + wide.get(f"{name}.bias", 0.0)

    def norm(name: str, x: Wide) -> Wide:
        return x / math.sqrt(np.mean(x * x) + config["rms_norm_eps"]) * wide[f"{name}.weight"]

    def turn(x: Wide, position: int) -> Wide:
        half = size // 2
        angles = [position * config["rope_theta"] ** (-2 * i / size) for i in range(half)]
        turned = [complex(x[i], x[i + half]) * np.exp(1j * angles[i]) for i in range(half)]
        return np.array([z.real for z in turned] + [z.imag for z in turned])

    hidden = [wide["model.embed_tokens.weight"][token_id] for token_id in ids]
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}"
        normed = [norm(f"{prefix}.input_layernorm", x) for x in hidden]
        q, k, v = ([linear(f"{prefix}.self_attn.{name}_proj", x) for x in normed] for name in "qkv")
        for at in range(len(ids)):
            mixed = []
            for head in range(heads):
                mine = slice(head * size, (head + 1) * size)
                shared = head * key_heads // heads
                theirs = slice(shared * size, (shared + 1) * size)
                query = turn(q[at][mine], at)
                scores = [
                    query @ turn(k[past][theirs], past) / math.sqrt(size) for past in range(at + 1)
                ]
                share = np.exp(scores) / np.sum(np.exp(scores))
                mixed.append(sum(share[past] * v[past][theirs] for past in range(at + 1)))
            hidden[at] = hidden[at] + linear(f"{prefix}.self_attn.o_proj", np.concatenate(mixed))
        for at, x in enumerate(hidden):
            inner = norm(f"{prefix}.post_attention_layernorm", x)
            gate = linear(f"{prefix}.mlp.gate_proj", inner)
            up = linear(f"{prefix}.mlp.up_proj", inner)
            down = linear(f"{prefix}.mlp.down_proj", gate / (1 + np.exp(-gate)) * up)
            hidden[at] = x + down
    tied = config.get("tie_word_embeddings")
    head_weights = wide["model.embed_tokens.weight" if tied else "lm_head.weight"]
    return head_weights @ norm("model.norm", hidden[-1])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"num_key_value_heads": 6},
        {"num_key_value_heads": 1},
        {"tie_word_embeddings": True},
        {"attention_bias": True, "mlp_bias": True},
        {"model_type": "mistral", "sliding_window": None},
    ],
)
def test_logits_equal_those_of_a_slow_computation(changes: dict[str, Any]) -> None:
    config = CONFIG | changes
    weights = random_weights(config)
    expected = slow_logits(config, weights, TOKENS)
    np.testing.assert_allclose(decode(config, weights, TOKENS), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("cut", range(1, len(TOKENS)))
def test_a_cached_prefix_changes_nothing(cut: int) -> None:
    weights = random_weights(CONFIG)
    whole = decode(CONFIG, weights, TOKENS)
    in_parts = decode(CONFIG, weights, TOKENS[:cut], *([token] for token in TOKENS[cut:]))
    np.testing.assert_allclose(in_parts, whole, rtol=1e-4, atol=1e-4)


def test_a_tied_head_is_the_embedding() -> None:
    tied = random_weights(CONFIG | {"tie_word_embeddings": True})
    untied = tied | {"lm_head.weight": tied["model.embed_tokens.weight"]}
    np.testing.assert_array_equal(
        decode(CONFIG | {"tie_word_embeddings": True}, tied, TOKENS), decode(CONFIG, untied, TOKENS)
    )


def test_heads_and_keys_default_as_transformers_has_them() -> None:
    config = {
        key: value
        for key, value in CONFIG.items()
        if key not in {"head_dim", "num_key_value_heads", "rope_theta"}
    }
    read = LlamaConfig.from_dict(config)
    assert (read.head_dim, read.num_key_value_heads, read.rope_theta) == (4, 6, 10_000.0)


def test_llama3_scaling_stretches_long_waves_by_bedrocks_factor_and_keeps_short_ones() -> None:
    config = CONFIG | {"head_dim": 64, "rope_theta": 500_000.0}
    scaled = config | {"rope_scaling": {"rope_type": "llama3", "factor": 32.0}}
    plain = frequencies(config)
    ratio = plain / frequencies(scaled)
    turns = 8192 * plain / (2 * np.pi)
    np.testing.assert_allclose(ratio[turns > 4], 1.0)
    np.testing.assert_allclose(ratio[turns < 1], 8.0, rtol=1e-6)
    between = ratio[(turns > 1) & (turns < 4)]
    assert len(between) > 0
    assert ((between > 1) & (between < 8)).all()


def frequencies(config: Mapping[str, Any]) -> Array:
    return LlamaDecoder(LlamaConfig.from_dict(config), random_weights(config))._frequencies


def test_the_rope_parameters_of_transformers_5_are_passed_over() -> None:
    config = CONFIG | {"rope_parameters": {"rope_theta": 500_000.0, "rope_type": "default"}}
    del config["rope_theta"]
    assert LlamaConfig.from_dict(config).rope_theta == 10_000.0


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"model_type": "qwen2"}, "the architecture qwen2; it computes llama and mistral"),
        ({"hidden_act": "gelu"}, "the activation gelu"),
        ({"rope_scaling": {"type": "yarn", "factor": 4.0}}, "rope_scaling of type yarn"),
        ({"model_type": "mistral", "sliding_window": 32}, "a sliding window of 32 tokens"),
        ({"hidden_size": None}, "a config.json without hidden_size"),
    ],
)
def test_what_is_not_computed_is_named(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(NotComputedError, match=what):
        LlamaConfig.from_dict(CONFIG | changes)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[BedrockEndpoint]:
    with bedrock_endpoint() as served:
        yield served


@pytest.fixture(scope="module")
def shipped_files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in SHIPPED_MODEL.iterdir() if path.is_file()}


@pytest.fixture(scope="module")
def shipped_model(endpoint: BedrockEndpoint, shipped_files: dict[str, bytes]) -> TextModel:
    uri = endpoint.stage(shipped_files)
    return TextModel.load(
        import_checkpoint(endpoint.s3, uri, region="us-east-1", held_bytes_at_most=2**30)
    )


@pytest.mark.parametrize("expected", REFERENCE["prompts"], ids=range(len(REFERENCE["prompts"])))
def test_the_shipped_model_computes_what_transformers_computes(
    shipped_model: TextModel, expected: dict[str, Any]
) -> None:
    messages, text = expected["messages"], expected["text"]
    prompt_ids = shipped_model.chat_ids(messages) if messages else shipped_model.prompt_ids(text)
    assert prompt_ids == expected["input_ids"]
    decoder = shipped_model.decoder
    logits = decoder.next_logits(prompt_ids, decoder.new_cache())
    best = [int(token_id) for token_id in np.argsort(-logits)[:5]]
    assert best == [token_id for token_id, _ in expected["top_5"]]
    np.testing.assert_allclose(logits[best], [logit for _, logit in expected["top_5"]], atol=1e-4)
    generated = shipped_model._token_ids(prompt_ids)
    assert [next(generated) for _ in expected["output_ids"]] == expected["output_ids"]


def test_the_shipped_model_answers_through_the_api_as_transformers_does(
    endpoint: BedrockEndpoint, shipped_files: dict[str, bytes], shipped_model: TextModel
) -> None:
    model = endpoint.import_model(shipped_files)
    for expected in (REFERENCE["prompts"][0], REFERENCE["prompts"][-1]):
        messages = expected["messages"]
        asked = {"messages": messages} if messages else {"prompt": expected["text"]}
        answer = endpoint.invoke(model, asked | {"max_tokens": REFERENCE["max_new_tokens"]})
        choice = answer["choices"][0]
        text = choice["message"]["content"] if messages else choice["text"]
        assert text == shipped_model.tokenizer.decode(expected["output_ids"])
        assert answer["usage"]["completion_tokens"] == len(expected["output_ids"])
    question = {"messages": REFERENCE["prompts"][0]["messages"]}
    answer = endpoint.invoke(model, question)
    assert answer["choices"][0]["message"]["content"] == "トランペット"
