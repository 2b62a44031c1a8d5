"""What a repository without weights that Bedrock reads has in their place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

NOT_SAFETENSORS: Final = "WEIGHTS_NOT_SAFETENSORS"


@dataclass(frozen=True, slots=True)
class OtherWeights:
    """A kind of weights, told by the path of any file of the repository."""

    code: str
    pattern: re.Pattern[str]
    found: str


def other_weights(paths: Iterable[str]) -> OtherWeights:
    """Return the first kind that one of the paths is of; the last kind is of no weights at all."""
    listed = list(paths)
    return next(
        (kind for kind in _KINDS if any(kind.pattern.search(path) for path in listed)), _NONE
    )


_PICKLED: Final = "The repository's weights are pickled PyTorch, TensorFlow or Flax files"
_KINDS: Final = (
    OtherWeights(
        "WEIGHTS_ADAPTER_ONLY",
        re.compile(r"^adapter_model\."),
        "The repository holds a LoRA adapter and not the model that it adapts",
    ),
    OtherWeights(
        "WEIGHTS_DIFFUSERS",
        re.compile(r"^model_index\.json$"),
        "The repository is a diffusers pipeline",
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
        "The repository has safetensors files, and none under the name that transformers loads",
    ),
)
_NONE: Final = OtherWeights("WEIGHTS_MISSING", re.compile(""), "The repository has no weights")
