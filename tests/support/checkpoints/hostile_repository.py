"""Malicious repositories, for property tests of preflight."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from support.fakes.fake_repository import (
    FIRST_SHARD,
    LLAMA_CONFIG,
    SECOND_SHARD,
    TENSORS,
    FakeFile,
    llama_files,
    safetensors_file,
    snapshot_of,
)

from model_import.bedrock.rules import bedrock_rules
from model_import.model_files.names import INDEX, SINGLE
from model_import.sources.hub.model_card import Licence, ModelCard
from model_import.sources.hub.snapshot import FlaggedFile, Snapshot

if TYPE_CHECKING:
    from support.fakes.fake_repository import Files

_KNOWN_NAMES = (*LLAMA_CONFIG, "text_config", "vision_config", "rope_scaling", "rope_parameters")
_WORDS = (
    *(row.model_type for row in bedrock_rules().architectures),
    *(name for row in bedrock_rules().architectures for name in row.classes),
    "llama3",
    "bfloat16",
    "",
    "../..",
    "\0",
    "\ud800",
    "x" * 10_000,
)
_NUMBERS = st.sampled_from(
    [0, -1, 1, 2**31, 2**63, 2**64, 10**400, 0.5, float("nan"), float("inf")]
) | st.integers(-9, 200_000)
_SCALARS = st.none() | st.booleans() | _NUMBERS | st.sampled_from(_WORDS) | st.text(max_size=5)
JSON_VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(_KNOWN_NAMES) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=12,
)
_DEEP = [b"[" * 100_000, b'{"a":' * 9_000 + b"1" + b"}" * 9_000, b"[" * 9_000 + b"]" * 9_000]
_BYTES = st.binary(max_size=40) | st.sampled_from(
    [b"", b"{}", b"[]", b"null", b"NaN", b"\xff\xfe", b'{"a": 1, "a": 2}', b"9" * 5_000, *_DEEP]
)
_PATHS = st.sampled_from(
    [
        FIRST_SHARD,
        SECOND_SHARD,
        SINGLE,
        INDEX,
        "../config.json",
        "/etc/passwd",
        "a/../b.safetensors",
        "model-00003-of-00002.safetensors",
        "original/model.safetensors",
        "\ud800.safetensors",
        "pytorch_model.bin",
        "modules.json",
    ]
)


@st.composite
def _changed_objects(draw: st.DrawFn, healthy: dict[str, Any]) -> bytes:
    """Return a JSON object with some fields changed, missing, added or of any type."""
    changes = draw(st.dictionaries(st.sampled_from(sorted(healthy)), JSON_VALUES, max_size=3))
    more = draw(st.dictionaries(st.sampled_from(_KNOWN_NAMES), JSON_VALUES, max_size=3))
    gone = draw(st.sets(st.sampled_from(sorted(healthy)), max_size=2))
    result = {name: value for name, value in (healthy | more | changes).items() if name not in gone}
    return json.dumps(result).encode()


@st.composite
def _indexes(draw: st.DrawFn) -> bytes:
    names = st.sampled_from(sorted(TENSORS)) | st.text(max_size=4)
    shards = _PATHS | _SCALARS
    weight_map: Any = draw(st.dictionaries(names, shards, max_size=6) | JSON_VALUES)
    healthy = json.loads(_content(llama_files()[INDEX]))["weight_map"]
    if isinstance(weight_map, dict) and draw(st.booleans()):
        weight_map = healthy | weight_map
    index = {"weight_map": weight_map, "metadata": draw(JSON_VALUES)}
    return json.dumps(index).encode()


@st.composite
def _weights(draw: st.DrawFn) -> FakeFile:
    """Return a file whose header is valid, changed, truncated or something else."""
    file = safetensors_file(TENSORS)
    header = json.loads(file.content[8:])
    for name in draw(st.sets(st.sampled_from(sorted(header)), max_size=3)):
        entry: Any = draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "dtype": st.sampled_from(["BF16", "F8_E4M3", "I64", "X", ""]) | _SCALARS,
                    "shape": st.lists(_NUMBERS, max_size=70) | _SCALARS,
                    "data_offsets": st.lists(_NUMBERS, max_size=3) | _SCALARS,
                },
            )
            | JSON_VALUES
        )
        header[name] = entry
    text = json.dumps(header).encode() if draw(st.booleans()) else draw(_BYTES)
    announced = draw(st.just(len(text)) | st.sampled_from([0, 1, 2**40, 2**64 - 1]))
    content = announced.to_bytes(8, "little") + text
    size_bytes = len(content) + draw(st.sampled_from([0, 1, 392, 10**12]))
    return FakeFile(content[: draw(st.integers(0, 12) | st.just(len(content)))], size_bytes)


@st.composite
def hostile_files(draw: st.DrawFn) -> Files:
    """Return the files of a repository with any damage."""
    files: Files = llama_files()
    if draw(st.booleans()):
        files["config.json"] = draw(_changed_objects(LLAMA_CONFIG))
    for path in draw(st.sets(st.sampled_from([*bedrock_rules().copied_files]), max_size=4)):
        files[path] = draw(_BYTES | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
    if draw(st.booleans()):
        files[INDEX] = draw(_indexes() | _BYTES)
    for path in draw(st.sets(_PATHS, max_size=3)):
        files[path] = draw(_weights())
    for path in draw(st.sets(st.sampled_from(sorted(files)), max_size=2)):
        del files[path]
    return files


@st.composite
def hostile_snapshots(draw: st.DrawFn) -> tuple[Snapshot, Files]:
    """Return a snapshot of such files, with any model card and any scan, and the files."""
    files = draw(hostile_files())
    texts = st.text(max_size=5) | st.sampled_from(["mit", "other", "\ud800", "x" * 10_000])
    card = ModelCard(
        Licence(tuple(draw(st.lists(texts, max_size=2))), draw(st.none() | texts), draw(st.none())),
        draw(st.none() | texts),
        draw(st.none() | texts),
    )
    flagged = tuple(FlaggedFile(path, draw(texts)) for path in draw(st.lists(_PATHS, max_size=2)))
    listed = snapshot_of(files)
    return Snapshot(listed.source, listed.revision, listed.files, card, flagged), files


def _content(file: bytes | FakeFile) -> bytes:
    return file if isinstance(file, bytes) else file.content
