"""Checks that Bedrock imports the data type of each tensor, and that layers do not mix types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model_import.bedrock.rules import bedrock_rules
from model_import.findings.finding import Finding, some
from model_import.preflight.families.layout import layer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from model_import.model_files.safetensors import Header, Tensor

_HALF_PRECISIONS: Final = ("F16", "BF16")
_VISION: Final = ("multi_modal_projector.", "vision_model.", "visual.")


def check_dtypes(headers: dict[str, Header], ignored: Callable[[str], bool]) -> Iterator[Finding]:
    """Yield findings on dtypes; tensors that are `ignored` may have any dtype."""
    tensors = {
        path: [tensor for tensor in header.tensors if not ignored(tensor.name)]
        for path, header in headers.items()
    }
    for path, listed in tensors.items():
        yield from _check_accepted(path, listed)
    yield from _check_mixed(tensors)


def _check_accepted(path: str, tensors: list[Tensor]) -> Iterator[Finding]:
    accepted = bedrock_rules().dtypes
    wrong: dict[str, list[str]] = {}
    for tensor in tensors:
        if tensor.dtype not in accepted:
            wrong.setdefault(tensor.dtype, []).append(tensor.name)
    for dtype, names in wrong.items():
        yield Finding.of(
            "TENSOR_DTYPE_UNSUPPORTED",
            path,
            found=f"{len(names)} tensors are {dtype}: {some(names)}",
            accepted=f"Bedrock imports {', '.join(accepted)}.",
        )


def _check_mixed(tensors: dict[str, list[Tensor]]) -> Iterator[Finding]:
    """Yield a finding on tensors of one half precision in a layer of the other.

    Both have two bytes: a header with the wrong one is valid, but the numbers are wrong. Merged
    models have whole layers and whole towers of another dtype, so these are accepted.
    """
    neighbours: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for path, listed in tensors.items():
        for tensor in listed:
            if tensor.dtype in _HALF_PRECISIONS:
                by_dtype = neighbours.setdefault(_neighbourhood(tensor.name), {})
                by_dtype.setdefault(tensor.dtype, []).append((tensor.name, path))
    minority: list[tuple[str, str]] = []
    for by_dtype in neighbours.values():
        if len(by_dtype) > 1:
            fewest = min(by_dtype.values(), key=len)
            minority += fewest
    if minority:
        yield Finding.of(
            "TENSOR_DTYPE_MIXED",
            minority[0][0],
            found=f"{len(minority)} tensors have another half precision than the other tensors of "
            f"their layer: {some([f'{name} ({path})' for name, path in minority])}",
            accepted=f"Either {' or '.join(_HALF_PRECISIONS)} in a layer, and F32 with both.",
        )


def _neighbourhood(name: str) -> str:
    layer = layer_of(name)
    if layer is not None:
        return layer
    return "vision" if name.startswith(_VISION) else "text"
