"""What a repository contains instead of weights that Bedrock reads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

NOT_SAFETENSORS: Final = "WEIGHTS_NOT_SAFETENSORS"


@dataclass(frozen=True, slots=True)
class OtherWeights:
    """A kind of weights, recognised by the path of any file of the repository."""

    code: str
    pattern: re.Pattern[str]
    found: str


def other_weights(paths: Iterable[str]) -> OtherWeights:
    """Return the first kind that any path matches; without a match, the kind without weights."""
    listed = list(paths)
    return next(
        (kind for kind in _KINDS if any(kind.pattern.search(path) for path in listed)), _NONE
    )


_PICKLED: Final = "The repository's weights are pickled PyTorch, TensorFlow or Flax files"
_KINDS: Final = (
    OtherWeights(
        "WEIGHTS_ADAPTER_ONLY",
        re.compile(r"^adapter_model\."),
        "The repository contains a LoRA adapter, but not its base model",
    ),
    OtherWeights(
        "WEIGHTS_DIFFUSERS",
        re.compile(r"^model_index\.json$"),
        "The repository contains a diffusers pipeline",
    ),
    OtherWeights(NOT_SAFETENSORS, re.compile(r"^pytorch_model.*\.(bin|pt)$"), _PICKLED),
    OtherWeights(
        "WEIGHTS_GGUF_ONLY", re.compile(r"\.gguf$"), "The repository's weights are GGUF files"
    ),
    OtherWeights(
        NOT_SAFETENSORS,
        re.compile(r"^(?!training_args).*\.(bin|pth|pt|h5|msgpack|ckpt)$"),
        _PICKLED,
    ),
    OtherWeights(
        "WEIGHTS_ELSEWHERE",
        re.compile(r"\.safetensors$"),
        "The repository has safetensors files, but none with the name that transformers loads",
    ),
)
_NONE: Final = OtherWeights("WEIGHTS_MISSING", re.compile(""), "The repository has no weights")
