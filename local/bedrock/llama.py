"""The Llama architecture in NumPy: logits of the next token, with a key-value cache.

RMSNorm, rotary positions, grouped-query attention and SwiGLU, in float32. Mistral is the same
computation while its sliding window covers the context. The configuration is read as Bedrock's
transformers reads it: it knows `rope_theta` and `rope_scaling`, and passes over the
`rope_parameters` that transformers 5 writes in their place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    type Array = NDArray[np.float32]

COMPUTED_MODEL_TYPES = ("llama", "mistral")
# What Bedrock's transformers takes for Mistral's window, where config.json names none.
_MISTRAL_SLIDING_WINDOW = 4096


class NotComputedError(Exception):
    """The local runtime cannot compute this model; the message names the missing part."""


@dataclass(frozen=True, slots=True)
class Llama3RopeScaling:
    """The values with which Bedrock overrides those of config.json.

    Source: user guide, «Import a customized model», 2026-10-05.
    """

    factor: float = 8.0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_max_position_embeddings: int = 8192


@dataclass(frozen=True, slots=True)
class LlamaConfig:
    """The values of config.json that the computation needs."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    max_position_embeddings: int
    rms_norm_eps: float
    rope_theta: float
    rope_scaling: Llama3RopeScaling | None
    tie_word_embeddings: bool
    attention_bias: bool
    mlp_bias: bool

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> LlamaConfig:
        """Return the configuration.

        Raises:
            NotComputedError: It asks for something that is not computed here.
        """
        _refuse_what_is_not_computed(config)
        heads, hidden_size = config["num_attention_heads"], config["hidden_size"]
        return cls(
            vocab_size=config["vocab_size"],
            hidden_size=hidden_size,
            intermediate_size=config["intermediate_size"],
            num_hidden_layers=config["num_hidden_layers"],
            num_attention_heads=heads,
            num_key_value_heads=config.get("num_key_value_heads") or heads,
            head_dim=config.get("head_dim") or hidden_size // heads,
            max_position_embeddings=config["max_position_embeddings"],
            rms_norm_eps=config.get("rms_norm_eps", 1e-6),
            rope_theta=config.get("rope_theta", 10_000.0),
            rope_scaling=Llama3RopeScaling() if config.get("rope_scaling") else None,
            tie_word_embeddings=config.get("tie_word_embeddings", False),
            attention_bias=config.get("attention_bias", False),
            mlp_bias=config.get("mlp_bias", False),
        )


_NEEDED_KEYS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
)


def _refuse_what_is_not_computed(config: Mapping[str, Any]) -> None:
    model_type = config.get("model_type")
    if model_type not in COMPUTED_MODEL_TYPES:
        computed = " and ".join(COMPUTED_MODEL_TYPES)
        raise NotComputedError(f"the architecture {model_type}; it computes {computed}")
    missing = [key for key in _NEEDED_KEYS if not isinstance(config.get(key), int)]
    if missing:
        raise NotComputedError(f"a config.json without {', '.join(missing)}")
    if config.get("hidden_act", "silu") != "silu":
        raise NotComputedError(f"the activation {config['hidden_act']}")
    scaling = config.get("rope_scaling") or {}
    rope_type = scaling.get("rope_type", scaling.get("type"))
    if scaling and rope_type != "llama3":
        raise NotComputedError(f"rope_scaling of type {rope_type}")
    window = config.get("sliding_window", _MISTRAL_SLIDING_WINDOW)
    if model_type == "mistral" and window and window < config["max_position_embeddings"]:
        raise NotComputedError(f"attention with a sliding window of {window} tokens")


def tensor_shapes(config: LlamaConfig) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the tensors that the model is loaded from."""
    hidden, width = config.hidden_size, config.intermediate_size
    queries = config.num_attention_heads * config.head_dim
    keys = config.num_key_value_heads * config.head_dim
    attention = {
        "q_proj": (queries, hidden),
        "k_proj": (keys, hidden),
        "v_proj": (keys, hidden),
        "o_proj": (hidden, queries),
    }
    mlp = {
        "gate_proj": (width, hidden),
        "up_proj": (width, hidden),
        "down_proj": (hidden, width),
    }
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (config.vocab_size, hidden),
        "model.norm.weight": (hidden,),
    }
    if not config.tie_word_embeddings:
        shapes["lm_head.weight"] = (config.vocab_size, hidden)
    for layer in range(config.num_hidden_layers):
        prefix = f"model.layers.{layer}"
        shapes[f"{prefix}.input_layernorm.weight"] = (hidden,)
        shapes[f"{prefix}.post_attention_layernorm.weight"] = (hidden,)
        for block, biased, projections in (
            ("self_attn", config.attention_bias, attention),
            ("mlp", config.mlp_bias, mlp),
        ):
            for name, shape in projections.items():
                shapes[f"{prefix}.{block}.{name}.weight"] = shape
                if biased:
                    shapes[f"{prefix}.{block}.{name}.bias"] = shape[:1]
    return shapes


@dataclass(slots=True)
class KeyValueCache:
    """The keys and values of the tokens so far, a pair of (heads, tokens, head_dim) per layer."""

    layers: list[tuple[Array, Array]]
    tokens: int = 0


class LlamaDecoder:
    """A loaded model. The state of a generation is in the caller's cache."""

    def __init__(self, config: LlamaConfig, weights: Mapping[str, Array]) -> None:
        self.config = config
        self._weights = weights
        self._frequencies = _rope_frequencies(config)
        self._head = weights[
            "model.embed_tokens.weight" if config.tie_word_embeddings else "lm_head.weight"
        ]

    def new_cache(self) -> KeyValueCache:
        """Return the empty cache of a new generation."""
        config = self.config
        empty = np.zeros((config.num_key_value_heads, 0, config.head_dim), np.float32)
        return KeyValueCache(layers=[(empty, empty)] * config.num_hidden_layers)

    def next_logits(self, token_ids: Sequence[int], cache: KeyValueCache) -> Array:
        """Return the logits of the token after `token_ids`, which follow those in the cache."""
        positions = np.arange(cache.tokens, cache.tokens + len(token_ids))
        angles = positions.astype(np.float32)[:, None] * self._frequencies
        cos, sin = np.cos(angles), np.sin(angles)
        hidden = self._weights["model.embed_tokens.weight"][np.asarray(token_ids)]
        for layer in range(self.config.num_hidden_layers):
            prefix = f"model.layers.{layer}"
            normed = self._rms_norm(hidden, f"{prefix}.input_layernorm")
            hidden = hidden + self._attention(normed, layer, cos, sin, cache)
            normed = self._rms_norm(hidden, f"{prefix}.post_attention_layernorm")
            hidden = hidden + self._mlp(normed, f"{prefix}.mlp")
        cache.tokens += len(token_ids)
        logits: Array = self._rms_norm(hidden[-1:], "model.norm")[0] @ self._head.T
        return logits

    def _attention(
        self, hidden: Array, layer: int, cos: Array, sin: Array, cache: KeyValueCache
    ) -> Array:
        prefix = f"model.layers.{layer}.self_attn"
        queries = _rotate(self._heads(hidden, f"{prefix}.q_proj"), cos, sin)
        new_keys = _rotate(self._heads(hidden, f"{prefix}.k_proj"), cos, sin)
        new_values = self._heads(hidden, f"{prefix}.v_proj")
        old_keys, old_values = cache.layers[layer]
        keys = np.concatenate([old_keys, new_keys], axis=1)
        values = np.concatenate([old_values, new_values], axis=1)
        cache.layers[layer] = (keys, values)
        mixed = _attend(queries, keys, values)
        joined = mixed.transpose(1, 0, 2).reshape(len(hidden), -1)
        return self._linear(joined, f"{prefix}.o_proj")

    def _heads(self, hidden: Array, name: str) -> Array:
        """Return a projection as (heads, tokens, head_dim)."""
        projected = self._linear(hidden, name)
        return projected.reshape(len(hidden), -1, self.config.head_dim).transpose(1, 0, 2)

    def _mlp(self, hidden: Array, prefix: str) -> Array:
        gate = _silu(self._linear(hidden, f"{prefix}.gate_proj"))
        up = self._linear(hidden, f"{prefix}.up_proj")
        return self._linear(gate * up, f"{prefix}.down_proj")

    def _linear(self, hidden: Array, name: str) -> Array:
        projected: Array = hidden @ self._weights[f"{name}.weight"].T
        bias = self._weights.get(f"{name}.bias")
        return projected if bias is None else projected + bias

    def _rms_norm(self, hidden: Array, name: str) -> Array:
        variance = np.square(hidden).mean(axis=-1, keepdims=True)
        scale = np.reciprocal(np.sqrt(variance + self.config.rms_norm_eps))
        normed: Array = hidden * scale.astype(np.float32)
        return normed * self._weights[f"{name}.weight"]


def _attend(queries: Array, keys: Array, values: Array) -> Array:
    """Return the causal attention of (heads, tokens, dim) queries, the last ones of the tokens."""
    key_heads, total, head_dim = keys.shape
    new = queries.shape[1]
    grouped = queries.reshape(key_heads, -1, new, head_dim)
    scores = grouped @ keys[:, None].swapaxes(-1, -2) / np.float32(np.sqrt(head_dim))
    future = np.arange(total) > np.arange(total - new, total)[:, None]
    scores = np.where(future, np.float32(-np.inf), scores)
    exponents = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = exponents / exponents.sum(axis=-1, keepdims=True)
    mixed = (weights @ values[:, None]).reshape(-1, new, head_dim)
    return mixed.astype(np.float32, copy=False)


def _silu(gate: Array) -> Array:
    """Return x·sigmoid(x), computed with tanh so that it cannot overflow."""
    sigmoid = 0.5 + 0.5 * np.tanh(0.5 * gate)
    return (gate * sigmoid).astype(np.float32, copy=False)


def _rotate(heads: Array, cos: Array, sin: Array) -> Array:
    """Return the heads, each dimension rotated with the one half a head away."""
    first, second = np.split(heads, 2, axis=-1)
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def _rope_frequencies(config: LlamaConfig) -> Array:
    exponents = np.arange(0, config.head_dim, 2, dtype=np.float32) / config.head_dim
    frequencies: Array = (1.0 / config.rope_theta**exponents).astype(np.float32)
    scaling = config.rope_scaling
    if scaling is None:
        return frequencies
    # Long waves are stretched by the factor, short ones kept, those in between interpolated.
    turns = scaling.original_max_position_embeddings * frequencies / (2 * np.pi)
    span = scaling.high_freq_factor - scaling.low_freq_factor
    kept = np.clip((turns - scaling.low_freq_factor) / span, 0.0, 1.0)
    blended: Array = (kept * frequencies + (1 - kept) * frequencies / scaling.factor).astype(
        np.float32
    )
    return blended
