"""The tensors of one model: which are required, which are optional, and their shapes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from model_import.preflight.families.sizes import ConfigSizeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model_import.preflight.families.sizes import Sizes

type Shapes = Mapping[str, str]
# From the name of a tensor within its layer to the formula of its shape.

_TENSORS_AT_MOST: Final = 100_000
# Qwen3-235B-A22B, the model with the most, has 37,000.
_BUFFERS: Final = re.compile(
    r"(^|\.)("
    r"rotary_(pos_)?emb\.(inv_freq|cos_cached|sin_cached)|position_ids|attn\.(bias|masked_bias)"
    r")$"
)
# Older versions of transformers save them, but all compute them again: any dtype is accepted.
_LAYER: Final = re.compile(r"^.+?\.(?:layers|h|blocks?)\.\d+(?=\.)")


@dataclass(frozen=True, slots=True)
class ExpectedTensors:
    """The tensors of the model that a configuration describes.

    `alternatives` are the tensors of which any can replace a required one, `layers` the required
    tensors of each layer, `formulas` the fields from which each shape is computed.
    """

    required: dict[str, tuple[int, ...]] = field(default_factory=dict)
    optional: dict[str, tuple[int, ...]] = field(default_factory=dict)
    alternatives: dict[str, tuple[str, ...]] = field(default_factory=dict)
    layers: dict[str, list[str]] = field(default_factory=dict)
    formulas: dict[str, str] = field(default_factory=dict)
    also_ignored: frozenset[str] = frozenset()

    def ignored(self, name: str) -> bool:
        """Return whether a tensor of this name is a buffer that no loader reads."""
        return name in self.also_ignored or is_buffer(name)

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Return the shape of a tensor of this name, or None if the model does not have it."""
        return self.required.get(name, self.optional.get(name))

    def require(self, prefix: str, shapes: Shapes, sizes: Sizes) -> None:
        """Add required tensors.

        Raises:
            ConfigSizeError: There are more tensors than any model has.
        """
        self._add(self.required, prefix, shapes, sizes)

    def allow(self, prefix: str, shapes: Shapes, sizes: Sizes) -> None:
        """Add optional tensors, such as a head that is tied to the embedding."""
        self._add(self.optional, prefix, shapes, sizes)

    def require_layer(self, prefix: str, shapes: Shapes, sizes: Sizes) -> None:
        """Add the tensors of a layer, which is reported by its name if all are missing."""
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
    """Return the prefix of a tensor's layer, or None if the tensor is outside the layers."""
    layer = _LAYER.match(name)
    return None if layer is None else layer[0]


def linear(name: str, rows: str, columns: str) -> dict[str, str]:
    """Return the weight and the bias of a linear layer."""
    return {f"{name}.weight": f"{rows}, {columns}", f"{name}.bias": rows}


def layer_norm(name: str, width: str) -> dict[str, str]:
    """Return the weight and the bias of a layer norm."""
    return {f"{name}.weight": width, f"{name}.bias": width}
