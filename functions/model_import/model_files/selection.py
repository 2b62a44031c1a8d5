"""Selects the files of a model: its weights, and the small files next to them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from model_import.bedrock.rules import bedrock_rules
from model_import.findings.finding import Finding, some
from model_import.model_files.names import INDEX, SINGLE
from model_import.model_files.other_weights import other_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from model_import.manifest import RepositoryFile
    from model_import.sources.hub.snapshot import Snapshot

# Numbers have any length: model-00001-of-00002, model-000000-of-000001, model-1-of-2.
_SHARD: Final = re.compile(r"model-\d+-of-\d+\.safetensors")


@dataclass(frozen=True, slots=True)
class Index:
    """The index of shards: `shard_of` maps a tensor to its shard.

    `total_size` is the size of all tensors that the index states, unchecked, or None.
    """

    shard_of: dict[str, str]
    total_size: object = None


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The files of a model; a model in a single weights file has no `index`."""

    weights: tuple[RepositoryFile, ...]
    metadata: tuple[RepositoryFile, ...]
    index: Index | None

    @property
    def weights_bytes(self) -> int:
        """Return the size of all weights files together."""
        return sum(file.size_bytes for file in self.weights)


def select_files(
    snapshot: Snapshot, read_json: Callable[[str], object]
) -> tuple[ModelFiles, list[Finding]]:
    """Return the files of the model, and findings about them.

    Selects as Bedrock's transformers does: the single weights file if there is one, else the
    index. Second copies of the weights (consolidated.safetensors, original/, .bin, .gguf …) are
    neither counted nor copied.
    """
    findings = list(_missing_metadata(snapshot))
    index: Index | None = None
    weights: list[RepositoryFile] = []
    if single := snapshot.file(SINGLE):
        weights = [single]
        findings += _second_copy(snapshot)
    elif snapshot.file(INDEX):
        index, index_findings = _read_index(read_json)
        findings += index_findings
        weights, shard_findings = _shards_of_index(snapshot, index)
        findings += shard_findings
    else:
        findings.append(_without_weights(snapshot))
    copied = bedrock_rules().copied_files
    metadata = tuple(
        file
        for file in snapshot.files
        if file.path in copied and not (file.path == INDEX and index is None)
    )
    return ModelFiles(tuple(weights), metadata, index), findings


def _missing_metadata(snapshot: Snapshot) -> Iterator[Finding]:
    for path in bedrock_rules().required_files:
        if snapshot.file(path) is None:
            yield Finding.of(
                "FILE_MISSING",
                path,
                found="The repository does not have this file at its root",
                accepted=f"Bedrock requires {', '.join(bedrock_rules().required_files)}.",
            )


def _second_copy(snapshot: Snapshot) -> Iterator[Finding]:
    shards = [file for file in snapshot.files if _SHARD.fullmatch(file.path)]
    if shards:
        size_bytes = sum(file.size_bytes for file in shards)
        yield Finding.of(
            "WEIGHTS_TWICE",
            SINGLE,
            found=f"There are {len(shards)} shards next to it, {size_bytes / 1e9:.1f} GB: a second "
            "copy of the weights, or another model",
            accepted=f"If there is a {SINGLE}, transformers loads only this file. It is copied, "
            "and the shards and their index are not.",
        )


def _read_index(read_json: Callable[[str], object]) -> tuple[Index, list[Finding]]:
    match read_json(INDEX):
        case {"weight_map": dict(shard_of)} as content if shard_of and all(
            isinstance(shard, str) for shard in shard_of.values()
        ):
            return Index(shard_of, _total_size(content)), []
        case _:
            return Index({}), [
                Finding.of(
                    "INDEX_INVALID",
                    INDEX,
                    found="The index is not a JSON object with a weight_map of tensor names to "
                    "file names",
                    accepted="The index that save_pretrained writes.",
                )
            ]


def _total_size(content: object) -> object:
    match content:
        case {"metadata": {"total_size": stated}}:
            return stated
        case _:
            return None


def _shards_of_index(
    snapshot: Snapshot, index: Index
) -> tuple[list[RepositoryFile], list[Finding]]:
    findings: list[Finding] = []
    shards: list[RepositoryFile] = []
    named = sorted(set(index.shard_of.values()))
    for path in named:
        if not _is_plain_name(path):
            findings.append(_badly_named(path, index))
        elif file := snapshot.file(path):
            shards.append(file)
        else:
            findings.append(_missing_shard(path, index))
    if named:
        findings += _stale_shards(snapshot, set(named))
    return shards, findings


def _is_plain_name(path: str) -> bool:
    rules = bedrock_rules()
    return (
        len(path) <= rules.weights_file_characters
        and rules.weights_file.fullmatch(path) is not None
    )


def _badly_named(path: str, index: Index) -> Finding:
    return Finding.of(
        "INDEX_PATH_INVALID",
        INDEX,
        found=f"It assigns {_describe_tensors(path, index)} to {path!r}",
        accepted="Names of .safetensors files next to the index, of at most "
        f"{bedrock_rules().weights_file_characters} ASCII letters, digits and - ! _ * ' ( ) .",
    )


def _missing_shard(path: str, index: Index) -> Finding:
    return Finding.of(
        "SHARD_MISSING",
        path,
        found=f"The index assigns {_describe_tensors(path, index)} to it, but the file is missing",
        accepted="Every shard that the index names is next to it.",
    )


def _describe_tensors(path: str, index: Index) -> str:
    names = [name for name, shard in index.shard_of.items() if shard == path]
    return f"{len(names)} tensors ({some(names)})" if len(names) > 1 else f"the tensor {names[0]}"


def _stale_shards(snapshot: Snapshot, named: set[str]) -> Iterator[Finding]:
    for file in snapshot.files:
        if _SHARD.fullmatch(file.path) and file.path not in named:
            # Not an error: check_tensors finds out whether the named shards are the whole model.
            yield Finding.of(
                "SHARD_NOT_IN_INDEX",
                file.path,
                found="It has the name of a shard, but the index assigns no tensor to it",
                accepted="Only the shards that the index names are read, counted and copied.",
            )


def _without_weights(snapshot: Snapshot) -> Finding:
    paths = [file.path for file in snapshot.files]
    if any(_SHARD.fullmatch(path) for path in paths):
        return Finding.of(
            "INDEX_MISSING",
            INDEX,
            found="The repository has shards, but no index that states what they contain",
            accepted=f"{INDEX} next to the shards, or a single {SINGLE}.",
        )
    kind = other_weights(paths)
    return Finding.of(
        kind.code,
        SINGLE,
        found=kind.found,
        accepted=f"Bedrock reads safetensors: {SINGLE}, or shards with {INDEX}, at the root.",
    )
