"""Compares the tensors of the shards with each other and with the index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model_import.findings.finding import Finding, some
from model_import.model_files.names import INDEX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_import.model_files.safetensors import Header
    from model_import.model_files.selection import Index


def check_shards(index: Index | None, headers: dict[str, Header]) -> Iterator[Finding]:
    """Yield findings on tensors in two files, and on differences from the `index`, if any."""
    yield from _check_once(headers)
    if index is not None:
        disagreements = list(_check_index(index, headers))
        yield from disagreements
        if not disagreements and headers.keys() == set(index.shard_of.values()):
            yield from _check_total_size(index, headers)


def _check_once(headers: dict[str, Header]) -> Iterator[Finding]:
    """Yield a finding on tensors in two files: it is not defined which one is loaded."""
    places: dict[str, list[str]] = {}
    for path, header in headers.items():
        for tensor in header.tensors:
            places.setdefault(tensor.name, []).append(path)
    twice = {name: paths for name, paths in places.items() if len(paths) > 1}
    if twice:
        yield Finding.of(
            "TENSOR_TWICE",
            next(iter(twice)),
            found=f"{len(twice)} tensors are in more than one file: "
            + some([f"{name} ({some(paths)})" for name, paths in twice.items()]),
            accepted="Each tensor in exactly one file.",
        )


def _check_index(index: Index, headers: dict[str, Header]) -> Iterator[Finding]:
    present = {(tensor.name, path) for path, header in headers.items() for tensor in header.tensors}
    # A shard with an unreadable header has its own finding.
    named = {(name, path) for name, path in index.shard_of.items() if path in headers}
    if missing := sorted(named - present):
        yield _disagreement(
            "INDEX_TENSOR_MISSING", missing, "the index names are not in their shards"
        )
    if unnamed := sorted(present - named):
        yield _disagreement(
            "INDEX_TENSOR_UNNAMED",
            unnamed,
            "the shards have are missing from the index or assigned to other shards",
        )


def _disagreement(code: str, pairs: list[tuple[str, str]], what: str) -> Finding:
    return Finding.of(
        code,
        INDEX,
        found=f"{len(pairs)} tensors that {what}: {some([f'{n} ({p})' for n, p in pairs])}",
        accepted="An index and shards with the same tensors in the same files.",
    )


def _check_total_size(index: Index, headers: dict[str, Header]) -> Iterator[Finding]:
    stated = index.total_size
    found = sum(tensor.end - tensor.start for h in headers.values() for tensor in h.tensors)
    if stated is not None and (isinstance(stated, bool) or stated != found):
        # A warning: no loader uses it, and published indexes count shared tensors or another dtype.
        yield Finding.of(
            "INDEX_TOTAL_SIZE",
            f"{INDEX}: metadata.total_size",
            found=f"The index states {stated!r:.100} bytes for all tensors",
            accepted=f"The tensors in the shards have {found} bytes.",
        )
