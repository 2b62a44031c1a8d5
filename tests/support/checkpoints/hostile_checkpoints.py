"""Checkpoints of every family with random damage, each made from a seed alone."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any, Final

from support.checkpoints.recorded_checkpoints import checkpoints
from support.fakes.fake_repository import FakeFile

if TYPE_CHECKING:
    from support.fakes.fake_repository import Files

_SCALARS: Final = (
    *(None, True, False, 0, -1, 1, 2, 3, 48, 2**31, 2**63, 2**64, 10**30, 0.5, 1e308),
    *(float("nan"), float("inf"), "", "x", "llama3", "yarn", "bfloat16", "LlamaForCausalLM"),
    *("../..", "\0", "\ud800", "x" * 3000, "</s>", "{{ messages }}", "F8_E4M3"),
)
_NAMES: Final = (
    *("text_config", "vision_config", "rope_scaling", "rope_parameters", "quantization_config"),
    *("auto_map", "layer_types", "added_tokens", "model", "vocab", "merges", "content", "id"),
    *("chat_template", "eos_token", "extra_special_tokens", "metadata", "total_size"),
    *("dtype", "shape", "data_offsets", "__metadata__", "rope_type", "factor", "mlp_only_layers"),
)
_MORE_PATHS: Final = (
    *("generation_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("chat_template.json", "chat_template.jinja", "tokenizer.model", "model.safetensors"),
)


def hostile_checkpoint(seed: int) -> Files:
    """Return the files of a repository; the same seed always gives the same files."""
    chance = Random(seed)  # noqa: S311 – no secret
    files = chance.choice(checkpoints()).files()
    for path in [*files, *chance.sample(_MORE_PATHS, 2)]:
        if chance.random() < 0.4:
            files[path] = _changed(chance, files.get(path, b"{}"))
    if chance.random() < 0.1:
        del files[chance.choice(list(files))]
    return files


def _changed(chance: Random, file: bytes | FakeFile) -> bytes | FakeFile:
    if isinstance(file, bytes):
        return _damaged(chance, _rewritten(chance, file))
    text = _rewritten(chance, file.content[8:])
    content = _damaged(chance, len(text).to_bytes(8, "little") + text)
    size_bytes = file.size_bytes - len(file.content) + len(content)
    return FakeFile(content, max(len(content), size_bytes + chance.choice((0, 0, -1, 1, 10**12))))


def _rewritten(chance: Random, text: bytes) -> bytes:
    """Return the JSON with some values changed, added or removed, at any depth."""
    root = {"root": json.loads(text)}
    for _ in range(chance.randrange(1, 4)):
        inner: Any = root
        name = "root"
        while isinstance(inner[name], dict) and inner[name] and chance.random() < 0.9:
            inner = inner[name]
            name = chance.choice(list(inner))
        if chance.random() < 0.2 and inner is not root:
            del inner[name]
        else:
            inner[chance.choice(_NAMES) if chance.random() < 0.1 else name] = _value(chance, 3)
        if "root" not in root:
            break
    return json.dumps(root.get("root"), ensure_ascii=chance.random() < 0.5).encode(
        errors="surrogatepass"
    )


def _value(chance: Random, depth: int) -> object:
    kind = chance.random() if depth else 1
    if kind < 0.15:
        return [_value(chance, depth - 1) for _ in range(chance.randrange(4))]
    if kind < 0.3:
        return {chance.choice(_NAMES): _value(chance, depth - 1) for _ in range(3)}
    return chance.choice(_SCALARS)


def _damaged(chance: Random, content: bytes) -> bytes:
    """Return the bytes, sometimes with one byte changed, or truncated."""
    if not content or chance.random() < 0.9:
        return content
    place = chance.randrange(len(content))
    if chance.random() < 0.5:
        return content[:place]
    return content[:place] + bytes([chance.randrange(256)]) + content[place + 1 :]
