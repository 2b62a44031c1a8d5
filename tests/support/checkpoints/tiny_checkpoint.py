"""A Llama checkpoint of a few kilobytes that answers with the text that a test gives it.

Its layers add nothing, its embeddings are the unit vectors, and its head is a table: the next token
depends only on the last token. After `ASSISTANT` and after a colon it generates `answer`, whose
bytes must all differ, and ends. Any other token repeats itself for ever.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

BEGIN, END, USER, ASSISTANT, SYSTEM = "<|begin|>", "<|end|>", "<|user|>", "<|assistant|>", "<|sys|>"
SPECIAL_TOKENS = (BEGIN, END, USER, ASSISTANT, SYSTEM)
CONTEXT_TOKENS = 128
_WIDTHS = {"BF16": 2, "F16": 2, "F32": 4}
CHAT_TEMPLATE = """\
{{ bos_token }}
{%- for message in messages %}
    {%- if message['role'] not in ['system', 'user', 'assistant'] %}
        {{ raise_exception('unknown role') }}
    {%- endif %}
    {%- set tags = {'system': '<|sys|>', 'user': '<|user|>', 'assistant': '<|assistant|>'} %}
    {{- tags[message['role']] + message['content'] | trim }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|assistant|>' }}
{%- endif %}
"""


def tiny_checkpoint(
    *,
    answer: str = "金管",
    chat_template: str | None = CHAT_TEMPLATE,
    shards: int = 3,
    dtype: str = "BF16",
) -> dict[str, bytes]:
    """Return the files of a repository by name; several shards get an index."""
    tokenizer = tiny_tokenizer()
    tensors = _scripted_tensors(tokenizer, answer)
    config = tiny_config(tokenizer)
    tokenizer_config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BEGIN,
        "eos_token": {"content": END, "special": True},
    }
    if chat_template is not None:
        tokenizer_config["chat_template"] = chat_template
    return {
        "config.json": to_json(config),
        "generation_config.json": to_json({"eos_token_id": [config["eos_token_id"]]}),
        "tokenizer.json": tokenizer.to_str().encode(),
        "tokenizer_config.json": to_json(tokenizer_config),
        **_sharded(tensors, shards, dtype),
    }


def tiny_config(tokenizer: Tokenizer) -> dict[str, Any]:
    """Return the config.json of the checkpoint."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": tokenizer.get_vocab_size(),
        "intermediate_size": 2,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 2,
        "max_position_embeddings": CONTEXT_TOKENS,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "eos_token_id": tokenizer.token_to_id(END),
        "torch_dtype": "bfloat16",
    }


def tiny_tokenizer() -> Tokenizer:
    """Return a tokenizer with a token for each byte; it starts each text with BEGIN."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: n for n, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL_TOKENS])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A",
        pair=f"{BEGIN} $A {BEGIN} $B",
        special_tokens=[(BEGIN, tokenizer.token_to_id(BEGIN))],
    )
    return tokenizer


def safetensors_file(tensors: Mapping[str, NDArray[np.float32]], dtype: str = "BF16") -> bytes:
    """Return a safetensors file; values are rounded towards zero to fit the dtype."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, values in tensors.items():
        stored = _stored(values, dtype)
        offsets = [len(data), len(data) + len(stored)]
        header[name] = {"dtype": dtype, "shape": list(values.shape), "data_offsets": offsets}
        data += stored
    text = to_json(header)
    return len(text).to_bytes(8, "little") + text + data


def to_json(value: object) -> bytes:
    return json.dumps(value).encode()


def _stored(values: NDArray[np.float32], dtype: str) -> bytes:
    if dtype == "BF16":
        return (values.astype("<f4").view("<u4") >> np.uint32(16)).astype("<u2").tobytes()
    return values.astype({"F32": "<f4", "F16": "<f2", "F64": "<f8"}[dtype]).tobytes()


def _scripted_tensors(tokenizer: Tokenizer, answer: str) -> dict[str, NDArray[np.float32]]:
    size = tokenizer.get_vocab_size()
    answer_ids = tokenizer.encode(answer + END, add_special_tokens=False).ids
    following: dict[int | None, int] = dict(pairwise(answer_ids))
    for starter in (ASSISTANT, ":"):
        following[tokenizer.token_to_id(starter)] = answer_ids[0]
    head = np.zeros((size, size), np.float32)
    for token_id in range(size):
        head[following.get(token_id, token_id), token_id] = 1
    tensors: dict[str, NDArray[np.float32]] = {
        "model.embed_tokens.weight": np.eye(size, dtype=np.float32),
        "model.norm.weight": np.ones(size, np.float32),
        "lm_head.weight": head,
    }
    for name, shape in {
        "self_attn.q_proj": (4, size),
        "self_attn.k_proj": (2, size),
        "self_attn.v_proj": (2, size),
        "self_attn.o_proj": (size, 4),
        "mlp.gate_proj": (2, size),
        "mlp.up_proj": (2, size),
        "mlp.down_proj": (size, 2),
    }.items():
        tensors[f"model.layers.0.{name}.weight"] = np.zeros(shape, np.float32)
    for name in ("model.layers.0.input_layernorm", "model.layers.0.post_attention_layernorm"):
        tensors[f"{name}.weight"] = np.ones(size, np.float32)
    return tensors


def _sharded(
    tensors: Mapping[str, NDArray[np.float32]], shards: int, dtype: str
) -> dict[str, bytes]:
    if shards == 1:
        return {"model.safetensors": safetensors_file(tensors, dtype)}
    names = list(tensors)
    files: dict[str, bytes] = {}
    weight_map: dict[str, str] = {}
    for number in range(shards):
        shard = f"model-{number + 1:05}-of-{shards:05}.safetensors"
        part = {name: tensors[name] for name in names[number::shards]}
        files[shard] = safetensors_file(part, dtype)
        weight_map |= dict.fromkeys(part, shard)
    total = sum(values.size * _WIDTHS[dtype] for values in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    return files | {"model.safetensors.index.json": to_json(index)}
