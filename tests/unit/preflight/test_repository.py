"""Which files of a repository are the model, and what else is said of it at the Hub."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.fakes.fake_repository import (
    CARD,
    FIRST_SHARD,
    FIRST_TENSORS,
    SECOND_SHARD,
    SECOND_TENSORS,
    TENSORS,
    FakeFile,
    FakeReaders,
    index_of,
    llama_files,
    safetensors_file,
    single_file,
    snapshot_of,
    to_json,
)

from model_import.model_files.json_files import parse_json
from model_import.model_files.names import INDEX, SINGLE
from model_import.model_files.safetensors import HEADER_BYTES_AT_MOST
from model_import.model_files.selection import select_files
from model_import.preflight.conversions import Conversion
from model_import.preflight.judge import judge
from model_import.preflight.licence import LicenceRules
from model_import.preflight.small_files import JSON_BYTES_AT_MOST
from model_import.preflight.weights import HEADERS_BYTES_AT_MOST
from model_import.sources.hub.model_card import Licence
from model_import.sources.hub.snapshot import FlaggedFile

if TYPE_CHECKING:
    from support.fakes.fake_repository import Files

    from model_import.findings.finding import Finding
    from model_import.model_files.selection import ModelFiles
    from model_import.preflight.verdict import Verdict
    from model_import.sources.hub.snapshot import Snapshot

REGION = "us-east-1"
BOTH = {**llama_files(), SINGLE: safetensors_file(TENSORS)}
LONG_NAME = "n" * 250 + ".safetensors"


def verdict_on(files: Files, snapshot: Snapshot | None = None, **options: Any) -> Verdict:  # noqa: ANN401 – judge's own
    return judge(snapshot or snapshot_of(files), FakeReaders(files), REGION, **options)


def findings_on(files: Files, snapshot: Snapshot | None = None, **options: Any) -> list[Finding]:  # noqa: ANN401 – judge's own
    verdict = verdict_on(files, snapshot, **options)
    return [finding for finding in verdict.findings if finding.severity != "normalised"]


def only_finding(files: Files, snapshot: Snapshot | None = None, **options: Any) -> Finding:  # noqa: ANN401 – judge's own
    (finding,) = findings_on(files, snapshot, **options)
    return finding


def selected(files: Files) -> ModelFiles:
    def read_json(path: str) -> object:
        content = files[path]
        return parse_json(content if isinstance(content, bytes) else content.content)

    return select_files(snapshot_of(files), read_json)[0]


def indexed(shard_of: dict[str, str], **metadata: object) -> bytes:
    return to_json({"metadata": metadata, "weight_map": shard_of})


def healthy_index() -> dict[str, str]:
    return dict.fromkeys(FIRST_TENSORS, FIRST_SHARD) | dict.fromkeys(SECOND_TENSORS, SECOND_SHARD)


# The choice of the weights


def test_a_single_file_is_taken_before_an_index_and_its_shards() -> None:
    finding = only_finding(BOTH)
    assert (finding.code, finding.severity, finding.where) == ("WEIGHTS_TWICE", "warning", SINGLE)
    assert "2 shards" in finding.found
    files = selected(BOTH)
    assert [file.path for file in files.weights] == [SINGLE]
    assert INDEX not in {file.path for file in files.metadata}
    assert verdict_on(BOTH).figures.weights_bytes == verdict_on(single_file()).figures.weights_bytes


def test_a_single_file_that_is_damaged_is_not_made_up_for_by_the_shards() -> None:
    codes = [finding.code for finding in findings_on(BOTH | {SINGLE: b"cut"})]
    assert codes == ["HEADER_INVALID", "WEIGHTS_TWICE"]


def test_an_index_of_the_single_file_alone_is_left_behind() -> None:
    files = {**single_file(), INDEX: indexed(dict.fromkeys(TENSORS, SINGLE), other=1)}
    assert verdict_on(files).findings == ()
    assert INDEX not in {file.path for file in selected(files).metadata}


@pytest.mark.parametrize(
    "names",
    [
        ("model-00000-of-00001.safetensors", "model-00001-of-00001.safetensors"),
        ("model-000001-of-000002.safetensors", "model-000002-of-000002.safetensors"),
        ("weights(a).safetensors", "weights_b'.safetensors"),
    ],
)
def test_shards_are_whatever_the_index_names(names: tuple[str, str]) -> None:
    first, second = names
    files = {name: file for name, file in llama_files().items() if "safetensors" not in name}
    index = index_of({first: FIRST_TENSORS, second: SECOND_TENSORS})
    shards = {first: safetensors_file(FIRST_TENSORS), second: safetensors_file(SECOND_TENSORS)}
    assert verdict_on({**files, **shards, INDEX: index}).findings == ()


@pytest.mark.parametrize(
    "path",
    [
        "../model.safetensors",
        "/etc/model.safetensors",
        "original/model.safetensors",
        "..",
        "",
        "model.bin",
        "model.safetensors/",
        "model 1.safetensors",
        "モデル.safetensors",
        "model\n.safetensors",
        "model\\1.safetensors",
        "model\0.safetensors",
        LONG_NAME,
    ],
)
def test_an_index_that_names_what_is_no_file_beside_it_is_refused(path: str) -> None:
    shard_of = healthy_index() | {"lm_head.weight": path}
    files = {**llama_files(), INDEX: indexed(shard_of), path: safetensors_file(SECOND_TENSORS)}
    found = [f for f in findings_on(files) if f.code == "INDEX_PATH_INVALID"]
    assert [finding.where for finding in found] == [INDEX]
    assert "the tensor lm_head.weight" in found[0].found
    assert path not in {file.path for file in selected(files).weights}


def test_a_missing_shard_is_told_with_tensors_that_should_be_in_it() -> None:
    files = llama_files()
    del files[SECOND_SHARD]
    finding = only_finding(files)
    assert (finding.code, finding.where) == ("SHARD_MISSING", SECOND_SHARD)
    assert "2 tensors (model.norm.weight, lm_head.weight)" in finding.found


def test_a_stale_shard_hides_no_tensor_that_is_missing() -> None:
    files = {**llama_files(num_hidden_layers=2), "model-00003-of-00003.safetensors": b""}
    assert [finding.code for finding in findings_on(files)] == [
        "TENSOR_MISSING",
        "SHARD_NOT_IN_INDEX",
    ]


# The index and the headers


def test_a_tensor_in_two_shards_is_named_with_both() -> None:
    again = SECOND_TENSORS | {"model.layers.0.input_layernorm.weight": ("BF16", (4,))}
    files = {**llama_files(), SECOND_SHARD: safetensors_file(again)}
    twice = next(finding for finding in findings_on(files) if finding.code == "TENSOR_TWICE")
    assert twice.where == "model.layers.0.input_layernorm.weight"
    assert FIRST_SHARD in twice.found
    assert SECOND_SHARD in twice.found


@pytest.mark.parametrize("stated", [{}, {"total_size": 392}, {"total_size": 392.0}])
def test_a_total_size_that_is_right_or_absent_is_no_finding(stated: dict[str, object]) -> None:
    files = {**llama_files(), INDEX: indexed(healthy_index(), **stated)}
    assert verdict_on(files).findings == ()


@pytest.mark.parametrize("stated", [0, 391, -1, 10**30, True, "392", [392], float("nan"), {}])
def test_a_total_size_that_is_wrong_is_a_warning_with_both_figures(stated: object) -> None:
    files = {**llama_files(), INDEX: indexed(healthy_index(), total_size=stated)}
    finding = only_finding(files)
    assert (finding.code, finding.severity) == ("INDEX_TOTAL_SIZE", "warning")
    assert "392" in finding.accepted


def with_format(metadata: object) -> FakeFile:
    plain = safetensors_file(TENSORS)
    header = json.loads(plain.content[8:]) | {"__metadata__": metadata}
    if metadata is None:
        del header["__metadata__"]
    text = to_json(header)
    content = len(text).to_bytes(8, "little") + text
    return FakeFile(content, plain.size_bytes + len(content) - len(plain.content))


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"format": "mlx", "step": "7"}])
def test_a_format_that_transformers_loads_is_no_finding(metadata: object) -> None:
    assert verdict_on({**single_file(), SINGLE: with_format(metadata)}).findings == ()


@pytest.mark.parametrize("metadata", [{}, {"step": "7"}, {"format": "np"}])
def test_a_format_that_transformers_refuses_to_load_is_an_error(metadata: object) -> None:
    finding = only_finding({**single_file(), SINGLE: with_format(metadata)})
    assert (finding.code, finding.where) == ("HEADER_FORMAT_UNKNOWN", SINGLE)


@pytest.mark.parametrize("name", sorted(TENSORS))
def test_a_tensor_of_the_other_half_precision_than_its_neighbours_is_named(name: str) -> None:
    _, shape = TENSORS[name]
    finding = only_finding(single_file(TENSORS | {name: ("F16", shape)}))
    assert (finding.code, finding.where) == ("TENSOR_DTYPE_MIXED", name)
    assert f"{name} ({SINGLE})" in finding.found


def test_whole_layers_of_another_dtype_and_single_tensors_in_f32_are_no_finding() -> None:
    in_layer = {name: ("F16", shape) for name, (_, shape) in TENSORS.items() if ".0." in name}
    norm = {"model.layers.0.input_layernorm.weight": ("F32", (4,))}
    assert verdict_on(single_file(TENSORS | in_layer | norm)).findings == ()


def test_legacy_buffers_may_be_of_any_dtype() -> None:
    buffers = {
        "model.layers.0.self_attn.rotary_emb.inv_freq": ("F64", (1,)),
        "model.position_ids": ("I64", (1, 8)),
    }
    assert verdict_on(single_file(TENSORS | buffers)).findings == ()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS pointer"),
        (b"../../blobs/5c4a6b8f2f0d1e9b7a3c", "symbolic link to '../../blobs/5c4a6b8f2f0d1e9b7a"),
    ],
)
def test_what_lies_in_place_of_a_file_is_said(content: bytes, what: str) -> None:
    weights = only_finding({**single_file(), SINGLE: content})
    assert (weights.code, weights.where) == ("HEADER_INVALID", SINGLE)
    assert what in weights.found
    config = only_finding({**llama_files(), "config.json": content})
    assert (config.code, config.where) == ("CONFIG_INVALID", "config.json")
    assert what in config.found


# What is too large to read


def announcing(header_bytes: int) -> FakeFile:
    return FakeFile(header_bytes.to_bytes(8, "little"), 8 + header_bytes)


def test_a_header_beyond_the_cap_is_not_read() -> None:
    files = {**single_file(), SINGLE: announcing(HEADER_BYTES_AT_MOST + 1)}
    readers = FakeReaders(files)
    codes = [finding.code for finding in judge(snapshot_of(files), readers, REGION).findings]
    assert codes == ["HEADER_INVALID"]
    assert max(length for path, _, length in readers.reads if path == SINGLE) <= 1025


def test_headers_beyond_the_cap_together_are_not_read() -> None:
    shards = [f"model-{number}-of-9.safetensors" for number in range(9)]
    share = HEADERS_BYTES_AT_MOST // 8
    index = indexed({f"tensor {number}": shard for number, shard in enumerate(shards)})
    files = {**llama_files(), INDEX: index} | dict.fromkeys(shards, announcing(share))
    readers = FakeReaders(files)
    found = judge(snapshot_of(files), readers, REGION).findings
    assert "HEADERS_TOO_LARGE" in [finding.code for finding in found]
    assert sum(length for path, _, length in readers.reads if path in shards) == 9 * 8


def test_a_file_beside_the_weights_that_is_too_large_is_named_and_not_read() -> None:
    files = {**llama_files(), "tokenizer.model": FakeFile(b"", JSON_BYTES_AT_MOST)}
    readers = FakeReaders(files)
    (finding,) = judge(snapshot_of(files), readers, REGION).findings
    assert (finding.code, finding.where) == ("FILE_TOO_LARGE", "tokenizer.model")
    assert "tokenizer.model" not in {path for path, _, _ in readers.reads}


# Pickled weights


def pickled_files() -> Files:
    others = {name: file for name, file in llama_files().items() if "safetensors" not in name}
    return {**others, "pytorch_model.bin": b"\x80\x02"}


def test_pickled_weights_are_told_with_the_pull_request_that_converts_them() -> None:
    conversion = Conversion("refs/pr/7", "SFconvertbot")
    finding = only_finding(pickled_files(), find_conversion=lambda: conversion)
    assert finding.code == "WEIGHTS_NOT_SAFETENSORS"
    assert '"revision": "refs/pr/7"' in finding.remedy
    assert "SFconvertbot" in finding.remedy


def test_pickled_weights_without_one_are_told_how_to_convert_them() -> None:
    finding = only_finding(pickled_files())
    assert finding.code == "WEIGHTS_NOT_SAFETENSORS"
    assert "spaces/safetensors/convert" in finding.remedy


def test_no_conversion_is_looked_for_where_none_is_needed() -> None:
    def fail() -> Conversion:
        raise AssertionError

    assert verdict_on(llama_files(), find_conversion=fail).importable


# The licence


def licensed(licence: Licence) -> Snapshot:
    return replace(snapshot_of(llama_files()), card=replace(CARD, licence=licence))


OTHER = Licence(("other",), "DeepSeek", "https://example.com/licence")


@pytest.mark.parametrize(
    ("licence", "allowed", "denied", "codes"),
    [
        (Licence(("mit",)), "", "", []),
        (Licence(("mit",)), "MIT, apache-2.0", "", []),
        (Licence(("mit",)), "apache-2.0", "", ["LICENCE_NOT_ALLOWED"]),
        (Licence(("mit",)), "", "cc-by-nc-4.0", []),
        (Licence(("cc-by-nc-4.0",)), "", "cc-by-nc-4.0", ["LICENCE_DENIED"]),
        (Licence(("mit",)), "mit", "mit", ["LICENCE_DENIED"]),
        (Licence(("mit", "cc-by-nc-4.0")), "mit", "", ["LICENCE_NOT_ALLOWED"]),
        (Licence(("mit", "cc-by-nc-4.0")), "", "cc-by-nc-4.0", ["LICENCE_DENIED"]),
        (OTHER, "mit", "", ["LICENCE_NOT_ALLOWED"]),
        (OTHER, "deepseek", "", []),
        (OTHER, "other", "", []),
        (OTHER, "", "deepseek", ["LICENCE_DENIED"]),
        (Licence(("mit",), "deepseek"), "deepseek", "", ["LICENCE_NOT_ALLOWED"]),
        (Licence(), "mit", "", ["LICENCE_NOT_ALLOWED"]),
    ],
)
def test_a_licence_is_held_against_the_lists(
    licence: Licence, allowed: str, denied: str, codes: list[str]
) -> None:
    rules = LicenceRules.of(allowed.split(","), denied.split(","))
    verdict = verdict_on(llama_files(), licensed(licence), licences=rules)
    assert [finding.code for finding in verdict.findings] == codes
    assert verdict.importable == (not codes)


def test_a_licence_that_is_refused_is_told_with_those_that_are_accepted() -> None:
    rules = LicenceRules.of(["mit", "apache-2.0"], [])
    finding = only_finding(llama_files(), licensed(OTHER), licences=rules)
    assert "other (DeepSeek, https://example.com/licence)" in finding.found
    assert finding.accepted == "One of apache-2.0, mit."
    assert "LicencesAllowed" in finding.remedy


@pytest.mark.parametrize("rules", [LicenceRules(), LicenceRules.of([], ["mit"])])
def test_no_licence_is_a_warning_where_none_is_asked_for(rules: LicenceRules) -> None:
    finding = only_finding(llama_files(), licensed(Licence()), licences=rules)
    assert (finding.code, finding.severity) == ("LICENCE_UNKNOWN", "warning")


def test_the_licence_is_told_in_the_figures() -> None:
    assert verdict_on(llama_files(), licensed(OTHER)).figures.licence == str(OTHER)
    assert verdict_on(llama_files(), licensed(Licence())).figures.licence is None


# What the scanners say


@pytest.mark.parametrize(
    ("path", "level", "severity"),
    [
        (FIRST_SHARD, "unsafe", "error"),
        ("tokenizer.json", "unsafe", "error"),
        ("modeling_own.py", "unsafe", "error"),
        (FIRST_SHARD, "a new level", "error"),
        (FIRST_SHARD, "suspicious", "warning"),
        (FIRST_SHARD, "caution", "warning"),
        ("pytorch_model.bin", "unsafe", "warning"),
        (FIRST_SHARD, "queued", None),
        (FIRST_SHARD, "unscanned", None),
        (FIRST_SHARD, "safe", None),
        ("file-of-another-revision.bin", "unsafe", None),
    ],
)
def test_a_file_that_is_flagged_refuses_only_where_it_is_needed(
    path: str, level: str, severity: str | None
) -> None:
    files = llama_files(auto_map={"AutoModelForCausalLM": "modeling_own.Own"})
    files |= {"modeling_own.py": b"", "pytorch_model.bin": b"\x80"}
    snapshot = replace(snapshot_of(files), flagged=(FlaggedFile(path, level),))
    codes = ("FILE_UNSAFE", "FILE_SUSPECT")
    found = [f for f in findings_on(files, snapshot) if f.code in codes]
    assert [finding.severity for finding in found] == ([severity] if severity else [])
    assert all(finding.where == path and level in finding.found for finding in found)


# What it is published for


@pytest.mark.parametrize("path", ["modules.json", "config_sentence_transformers.json"])
def test_an_embedding_model_is_refused(path: str) -> None:
    finding = only_finding({**llama_files(), path: b"[]"})
    assert (finding.code, finding.severity, finding.where) == ("EMBEDDING_MODEL", "error", path)


def test_an_embedding_model_is_told_by_its_library_too() -> None:
    card = replace(CARD, library="sentence-transformers", use="sentence-similarity")
    finding = only_finding(llama_files(), replace(snapshot_of(llama_files()), card=card))
    assert finding.code == "EMBEDDING_MODEL"


@pytest.mark.parametrize("use", ["text-classification", "text-ranking", "feature-extraction"])
def test_another_use_than_generating_is_a_warning(use: str) -> None:
    card = replace(CARD, use=use)
    finding = only_finding(llama_files(), replace(snapshot_of(llama_files()), card=card))
    assert (finding.code, finding.severity) == ("USE_OTHER", "warning")
    assert use in finding.found


# Code that the repository brings


@pytest.mark.parametrize(
    ("auto_map", "told"),
    [
        ({"AutoModelForCausalLM": "own.Own"}, "own.py"),
        ({"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Own"}, "own.py"),
        ({"AutoModelForCausalLM": "gone.Own"}, "gone.py, which is missing"),
        ({"AutoModelForCausalLM": "acme/code--own.Own"}, "own.py of the repository acme/code"),
        ({"AutoTokenizer": ["own.Slow", None]}, "own.py"),
        ("own.Own", "own.py"),
    ],
)
@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "processor_config.json"])
def test_code_of_the_repository_is_named_by_its_files(
    file: str, auto_map: object, told: str
) -> None:
    files = {**llama_files(), "own.py": b"", "processor_config.json": b"{}"}
    content = files[file]
    assert isinstance(content, bytes)
    files[file] = to_json(json.loads(content) | {"auto_map": auto_map})
    finding = only_finding(files)
    assert (finding.code, finding.severity) == ("CUSTOM_CODE", "warning")
    assert finding.where == f"{file}: auto_map"
    assert finding.found == f"The repository contains custom code: {told}"


@pytest.mark.parametrize("auto_map", [None, {}, [], 7, {"AutoConfig": None}, {"AutoConfig": 7}])
def test_an_auto_map_that_names_nothing_is_no_finding(auto_map: object) -> None:
    assert verdict_on(llama_files(auto_map=auto_map)).findings == ()
