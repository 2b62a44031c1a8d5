"""Which files of a repository are the model: its weights, and the small files beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from model_import.bedrock_rules import bedrock_rules
from model_import.preflight.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from model_import.hub import Snapshot
    from model_import.manifest import RepositoryFile

INDEX: Final = "model.safetensors.index.json"
SINGLE: Final = "model.safetensors"
# However a publisher numbers them: model-00001-of-00002, model-000000-of-000001, model-1-of-2.
_SHARD: Final = re.compile(r"model-\d+-of-\d+\.safetensors")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The files that make the model; `index` maps a tensor to its shard, None for a single file."""

    weights: tuple[RepositoryFile, ...]
    metadata: tuple[RepositoryFile, ...]
    index: dict[str, str] | None

    @property
    def weights_bytes(self) -> int:
        """Return the bytes of all weights together."""
        return sum(file.size_bytes for file in self.weights)


def select_files(
    snapshot: Snapshot, read_json: Callable[[str], object]
) -> tuple[ModelFiles, list[Finding]]:
    """Return the files of the model, and what is wrong with the choice.

    Second copies beside the weights (consolidated.safetensors, original/, .bin, .gguf …) are
    neither counted nor copied.
    """
    findings = list(_missing_metadata(snapshot))
    index: dict[str, str] | None = None
    if snapshot.file(INDEX):
        index, index_findings = _read_index(read_json)
        findings += index_findings
        weights, shard_findings = _shards_of_index(snapshot, index)
        findings += shard_findings
    elif single := snapshot.file(SINGLE):
        weights = [single]
    else:
        weights = []
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
                found="The repository has no such file at its root",
                accepted=f"Bedrock requires {', '.join(bedrock_rules().required_files)}.",
            )


def _read_index(read_json: Callable[[str], object]) -> tuple[dict[str, str], list[Finding]]:
    content = read_json(INDEX)
    match content:
        case {"weight_map": dict(weight_map)} if weight_map and all(
            isinstance(shard, str) for shard in weight_map.values()
        ):
            return weight_map, []
        case _:
            return {}, [
                Finding.of(
                    "INDEX_INVALID",
                    INDEX,
                    found="It is no JSON object with a weight_map of tensor names to file names",
                    accepted="The index that save_pretrained writes.",
                )
            ]


def _shards_of_index(
    snapshot: Snapshot, index: dict[str, str]
) -> tuple[list[RepositoryFile], list[Finding]]:
    findings: list[Finding] = []
    shards: list[RepositoryFile] = []
    named = sorted(set(index.values()))
    for path in named:
        if file := snapshot.file(path):
            shards.append(file)
            continue
        tensors = sum(1 for shard in index.values() if shard == path)
        findings.append(
            Finding.of(
                "SHARD_MISSING",
                path,
                found=f"The index puts {tensors} tensors into it, and there is no such file",
                accepted="Every shard that the index names lies beside it.",
            )
        )
    findings += [
        Finding.of(
            "SHARD_NOT_IN_INDEX",
            file.path,
            found="It is named as a shard, and the index puts no tensor into it",
            accepted="Exactly the shards that the index names.",
        )
        for file in snapshot.files
        if _SHARD.fullmatch(file.path) and file.path not in named and named
    ]
    return shards, findings


def _without_weights(snapshot: Snapshot) -> Finding:
    paths = [file.path for file in snapshot.files]
    if any(_SHARD.fullmatch(path) for path in paths):
        return Finding.of(
            "INDEX_MISSING",
            INDEX,
            found="The repository has shards of weights and no index that says what is in them",
            accepted=f"{INDEX} beside the shards, or one {SINGLE}.",
        )
    code, found = next(
        (
            (code, found)
            for code, pattern, found in _OTHER_WEIGHTS
            if any(pattern.search(path) for path in paths)
        ),
        ("WEIGHTS_MISSING", "The repository has no weights"),
    )
    return Finding.of(
        code,
        SINGLE,
        found=found,
        accepted=f"Bedrock reads safetensors: {SINGLE}, or shards with {INDEX}, at the root.",
    )


_OTHER_WEIGHTS: Final = (
    (
        "WEIGHTS_ADAPTER_ONLY",
        re.compile(r"^adapter_model\."),
        "The repository holds a LoRA adapter and not the model that it adapts",
    ),
    (
        "WEIGHTS_GGUF_ONLY",
        re.compile(r"\.gguf$"),
        "The repository's weights are GGUF files",
    ),
    (
        "WEIGHTS_DIFFUSERS",
        re.compile(r"^model_index\.json$"),
        "The repository is a diffusers pipeline",
    ),
    (
        "WEIGHTS_NOT_SAFETENSORS",
        re.compile(
            r"^(pytorch_model.*\.(bin|pt)|(?!training_args).*\.(bin|pth|pt|h5|msgpack|ckpt))$"
        ),
        "The repository's weights are pickled PyTorch, TensorFlow or Flax files",
    ),
    (
        "WEIGHTS_ELSEWHERE",
        re.compile(r"\.safetensors$"),
        "The repository has safetensors files, and none under the name that transformers loads",
    ),
)
