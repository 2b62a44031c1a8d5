"""The data type of each tensor: one that Bedrock imports, and that of its neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model_import.bedrock.rules import bedrock_rules
from model_import.findings.finding import Finding, some
from model_import.preflight.families.layout import layer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from model_import.model_files.safetensors import Header, Tensor

_HALVES: Final = ("F16", "BF16")
_VISION: Final = ("multi_modal_projector.", "vision_model.", "visual.")


def check_dtypes(headers: dict[str, Header], ignored: Callable[[str], bool]) -> Iterator[Finding]:
    """Yield what is wrong with dtypes; those of tensors that are `ignored` do not matter."""
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
    """Yield tensors of one half precision among neighbours of the other.

    Both have two bytes: a header that gives the wrong one is sound, and its numbers are not. Whole
    layers and whole towers of another dtype are known of merged models.
    """
    neighbours: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for path, listed in tensors.items():
        for tensor in listed:
            if tensor.dtype in _HALVES:
                by_dtype = neighbours.setdefault(_neighbourhood(tensor.name), {})
                by_dtype.setdefault(tensor.dtype, []).append((tensor.name, path))
    strangers: list[tuple[str, str]] = []
    for by_dtype in neighbours.values():
        if len(by_dtype) > 1:
            fewest = min(by_dtype.values(), key=len)
            strangers += fewest
    if strangers:
        yield Finding.of(
            "TENSOR_DTYPE_MIXED",
            strangers[0][0],
            found=f"{len(strangers)} tensors are of another half precision than the tensors of the "
            f"same layer: {some([f'{name} ({path})' for name, path in strangers])}",
            accepted=f"{' or '.join(_HALVES)} in a layer, and F32 beside either.",
        )


def _neighbourhood(name: str) -> str:
    layer = layer_of(name)
    if layer is not None:
        return layer
    return "vision" if name.startswith(_VISION) else "text"
