"""The tensors of one model: which there must be, which there may be, and why of that shape."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from model_import.preflight.families.sizes import ConfigSizeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model_import.preflight.families.sizes import Sizes

type Shapes = Mapping[str, str]
# Tensor name, from the layer on, to the formula of its shape.

_TENSORS_AT_MOST: Final = 100_000
# Qwen3-235B-A22B, the one with the most, has 37 thousand.
_BUFFERS: Final = re.compile(
    r"(^|\.)("
    r"rotary_(pos_)?emb\.(inv_freq|cos_cached|sin_cached)|position_ids|attn\.(bias|masked_bias)"
    r")$"
)
# Saved by older transformers, computed again by all: they may sit there in any dtype.
_LAYER: Final = re.compile(r"^.+?\.(?:layers|h|blocks?)\.\d+(?=\.)")


@dataclass(frozen=True, slots=True)
class ExpectedTensors:
    """What the weights of a model consist of, as its configuration says.

    `stand_ins` names, for a required tensor, the others of which one is enough; `layers` the
    required tensors of each layer; `formulas` the fields that each shape follows from.
    """

    required: dict[str, tuple[int, ...]] = field(default_factory=dict)
    optional: dict[str, tuple[int, ...]] = field(default_factory=dict)
    stand_ins: dict[str, tuple[str, ...]] = field(default_factory=dict)
    layers: dict[str, list[str]] = field(default_factory=dict)
    formulas: dict[str, str] = field(default_factory=dict)
    also_ignored: frozenset[str] = frozenset()

    def ignored(self, name: str) -> bool:
        """Return whether a tensor of this name is a buffer that nobody loads any more."""
        return name in self.also_ignored or is_buffer(name)

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Return the shape that a tensor of this name has, or None when it does not belong."""
        return self.required.get(name, self.optional.get(name))

    def require(self, prefix: str, shapes: Shapes, sizes: Sizes) -> None:
        """Add tensors that there must be.

        Raises:
            ConfigSizeError: They become more than any model has.
        """
        self._add(self.required, prefix, shapes, sizes)

    def allow(self, prefix: str, shapes: Shapes, sizes: Sizes) -> None:
        """Add tensors that may be stored or not, such as a head tied to the embedding."""
        self._add(self.optional, prefix, shapes, sizes)

    def require_layer(self, prefix: str, shapes: Shapes, sizes: Sizes) -> None:
        """Add the tensors of a layer, which is named as a whole when all are missing."""
        self.require(f"{prefix}.", shapes, sizes)
        self.layers[prefix] = [f"{prefix}.{name}" for name in shapes]

    def _add(
        self, tensors: dict[str, tuple[int, ...]], prefix: str, shapes: Shapes, sizes: Sizes
    ) -> None:
        for name, formula in shapes.items():
            tensors[f"{prefix}{name}"] = sizes.shape(formula)
            self.formulas[f"{prefix}{name}"] = formula
        if len(tensors) > _TENSORS_AT_MOST:
            raise ConfigSizeError(
                "number of layers × experts", len(tensors), f"at most {_TENSORS_AT_MOST} tensors"
            )


def is_buffer(name: str) -> bool:
    """Return whether a tensor of this name is a buffer of older transformers, of any family."""
    return _BUFFERS.search(name) is not None


def layer_of(name: str) -> str | None:
    """Return the prefix of a tensor's layer, or None for one of the model as a whole."""
    layer = _LAYER.match(name)
    return None if layer is None else layer[0]


def linear(name: str, rows: str, columns: str) -> dict[str, str]:
    """Return the weight and the bias of a linear layer."""
    return {f"{name}.weight": f"{rows}, {columns}", f"{name}.bias": rows}


def layer_norm(name: str, width: str) -> dict[str, str]:
    """Return the weight and the bias of a layer norm."""
    return {f"{name}.weight": width, f"{name}.bias": width}
