"""The verdict on a repository: every finding by its code, many at once, and no weight read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.fakes.fake_repository import (
    CHAT_TEMPLATE,
    COMMIT,
    FIRST_SHARD,
    FIRST_TENSORS,
    SECOND_SHARD,
    SECOND_TENSORS,
    TENSORS,
    TOKENIZER_CONFIG,
    FakeFile,
    FakeReaders,
    family_files,
    index_of,
    llama_files,
    safetensors_file,
    single_file,
    snapshot_of,
    to_json,
)

from model_import.bedrock.rules import bedrock_rules
from model_import.model_files.names import INDEX, SINGLE
from model_import.model_files.selection import select_files
from model_import.preflight.judge import judge

if TYPE_CHECKING:
    from support.fakes.fake_repository import Files

    from model_import.findings.finding import Finding
    from model_import.preflight.verdict import Verdict

REGION = "us-east-1"
CAUSE_CHARACTERS_AT_MOST = 32_768
PICKLE = b"\x80\x02 no weights that anybody should load"


def verdict_on(files: Files, region: str = REGION) -> Verdict:
    return judge(snapshot_of(files), FakeReaders(files), region)


def codes(files: Files, region: str = REGION) -> list[str]:
    """Return the codes of what a person has to do something about."""
    findings = verdict_on(files, region).findings
    return [finding.code for finding in findings if finding.severity != "normalised"]


def only_finding(files: Files, region: str = REGION) -> Finding:
    """Return the one finding, and check that it is one a person can act on."""
    findings = verdict_on(files, region).findings
    (finding,) = [finding for finding in findings if finding.severity != "normalised"]
    assert finding.found
    assert finding.accepted.endswith((".", "safetensors"))
    assert finding.remedy.endswith(".")
    return finding


def without(files: Files, *paths: str) -> Files:
    return {path: file for path, file in files.items() if path not in paths}


def without_weights(**others: bytes) -> Files:
    return without(llama_files(), INDEX, FIRST_SHARD, SECOND_SHARD) | others


def test_an_importable_repository_has_no_findings_and_is_told_in_figures() -> None:
    verdict = verdict_on(llama_files())
    assert verdict.findings == ()
    assert verdict.importable
    assert verdict.figures.to_dict() == {
        "licence": "apache-2.0",
        "model_type": "llama",
        "architecture": "LlamaForCausalLM",
        "kind": "decoder",
        "context_length": 8192,
        "chat_template": "tokenizer_config.json",
        "dtype": "BF16",
        "parameters": 196,
        "weights_files": 2,
        "weights_bytes": sum(
            file.size_bytes for file in llama_files().values() if isinstance(file, FakeFile)
        ),
    }


def test_a_single_file_needs_no_index() -> None:
    assert codes(single_file()) == []


def test_no_byte_of_a_weight_is_read() -> None:
    files = llama_files()
    readers = FakeReaders(files)
    judge(snapshot_of(files), readers, REGION)
    of_shard = [(start, length) for path, start, length in readers.reads if path == FIRST_SHARD]
    header = files[FIRST_SHARD]
    assert isinstance(header, FakeFile)
    assert of_shard == [(0, 8), (8, len(header.content) - 8)]


@pytest.mark.parametrize("path", ["config.json", "tokenizer.json", "tokenizer_config.json"])
def test_file_missing_names_the_file(path: str) -> None:
    findings = verdict_on(without(llama_files(), path)).findings
    assert findings[0].code == "FILE_MISSING"
    assert findings[0].where == path
    assert [finding.code for finding in findings if finding.severity == "error"] == ["FILE_MISSING"]


def test_a_file_in_a_folder_does_not_stand_for_the_one_at_the_root() -> None:
    files = without(llama_files(), "tokenizer.json") | {"original/tokenizer.json": b"{}"}
    assert only_finding(files).code == "FILE_MISSING"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not JSON",
        b"[]",
        b'"llama"',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    ],
)
def test_config_invalid(content: bytes) -> None:
    files = llama_files() | {"config.json": content}
    assert only_finding(files).code == "CONFIG_INVALID"
    model = verdict_on(files).figures
    assert (model.model_type, model.architecture, model.context_length) == (None, None, None)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"weight_map": {}}', b'{"weight_map": {"a": 1}}']
)
def test_index_invalid(content: bytes) -> None:
    assert only_finding(llama_files() | {INDEX: content}).code == "INDEX_INVALID"


def test_index_missing() -> None:
    assert only_finding(without(llama_files(), INDEX)).code == "INDEX_MISSING"


def test_shard_missing_says_how_many_tensors_are_in_it() -> None:
    finding = only_finding(without(llama_files(), FIRST_SHARD))
    assert (finding.code, finding.where) == ("SHARD_MISSING", FIRST_SHARD)
    assert "10 tensors" in finding.found


@pytest.mark.parametrize(
    "stale", ["model-00003-of-00003.safetensors", "model-000000-of-000001.safetensors"]
)
def test_shard_not_in_index(stale: str) -> None:
    finding = only_finding(llama_files() | {stale: safetensors_file(SECOND_TENSORS)})
    assert (finding.code, finding.where) == ("SHARD_NOT_IN_INDEX", stale)
    assert finding.severity == "warning"


@pytest.mark.parametrize(
    ("code", "paths"),
    [
        ("WEIGHTS_ADAPTER_ONLY", ["adapter_model.safetensors", "adapter_config.json"]),
        ("WEIGHTS_ADAPTER_ONLY", ["adapter_model.bin"]),
        ("WEIGHTS_GGUF_ONLY", ["llama-Q4_K_M.gguf"]),
        ("WEIGHTS_GGUF_ONLY", ["Q8_0/llama-00001-of-00002.gguf"]),
        ("WEIGHTS_NOT_SAFETENSORS", ["pytorch_model.bin"]),
        ("WEIGHTS_NOT_SAFETENSORS", ["pytorch_model-00001-of-00002.bin"]),
        ("WEIGHTS_NOT_SAFETENSORS", ["original/consolidated.00.pth"]),
        ("WEIGHTS_NOT_SAFETENSORS", ["tf_model.h5"]),
        ("WEIGHTS_NOT_SAFETENSORS", ["flax_model.msgpack"]),
        ("WEIGHTS_DIFFUSERS", ["model_index.json", "unet/diffusion_model.safetensors"]),
        ("WEIGHTS_ELSEWHERE", ["consolidated.safetensors"]),
        ("WEIGHTS_ELSEWHERE", ["checkpoint-500/model.safetensors"]),
        ("WEIGHTS_MISSING", ["README.md"]),
    ],
)
def test_weights_that_bedrock_cannot_read_are_named_for_what_they_are(
    code: str, paths: list[str]
) -> None:
    assert only_finding(without_weights(**dict.fromkeys(paths, PICKLE))).code == code


def test_region_unsupported() -> None:
    finding = only_finding(llama_files(), "ap-northeast-1")
    assert (finding.code, finding.where) == ("REGION_UNSUPPORTED", "ap-northeast-1")


@pytest.mark.parametrize("model_type", ["bert", "gemma2", "", None, 7, ["llama"]])
def test_arch_unsupported_lists_the_families_that_are(model_type: object) -> None:
    finding = only_finding(llama_files(model_type=model_type))
    assert finding.code == "ARCH_UNSUPPORTED"
    assert repr(model_type) in finding.found
    assert "llama, mllama, gpt_bigcode, qwen2" in finding.accepted


def test_a_configuration_without_a_model_type_has_none_in_its_figures() -> None:
    files = llama_files() | {"config.json": to_json({"architectures": ["LlamaForCausalLM"]})}
    assert only_finding(files).code == "ARCH_UNSUPPORTED"
    assert verdict_on(files).figures.model_type is None


@pytest.mark.parametrize(
    "architectures", [["LlamaForSequenceClassification"], [], None, "LlamaForCausalLM", [1]]
)
def test_arch_class_unsupported(architectures: object) -> None:
    finding = only_finding(llama_files(architectures=architectures))
    assert finding.code == "ARCH_CLASS_UNSUPPORTED"
    assert "LlamaForCausalLM" in finding.accepted


def test_arch_region_names_the_regions_of_the_family() -> None:
    files = family_files("gpt_oss", "GptOssForCausalLM")
    assert verdict_on(files, "us-east-1").importable
    (finding,) = [
        each for each in verdict_on(files, "us-west-2").findings if each.code[:4] == "ARCH"
    ]
    assert finding.code == "ARCH_REGION"
    assert "us-east-1" in finding.accepted


@pytest.mark.parametrize("value", [None, 0, -1, True, 8192.0, "8192"])
def test_context_unknown(value: object) -> None:
    assert only_finding(llama_files(max_position_embeddings=value)).code == "CONTEXT_UNKNOWN"


def test_a_context_of_131072_tokens_is_accepted() -> None:
    assert codes(llama_files(max_position_embeddings=131_072)) == []


@pytest.mark.parametrize("tokens", [131_073, 1_048_576])
def test_context_too_long(tokens: int) -> None:
    finding = only_finding(llama_files(max_position_embeddings=tokens))
    assert finding.code == "CONTEXT_TOO_LONG"
    assert str(tokens) in finding.found


@pytest.mark.parametrize(
    "config",
    [
        {"text_config": {"max_position_embeddings": 131_072}},
        {"n_positions": 2_048},
    ],
)
def test_the_context_length_is_found_where_the_family_keeps_it(config: dict[str, Any]) -> None:
    assert codes(llama_files(max_position_embeddings=None, **config)) == []


def test_a_family_that_states_no_context_length_needs_none() -> None:
    assert codes(family_files("t5", "T5ForConditionalGeneration", context_tokens=None)) == []


@pytest.mark.parametrize(
    "config",
    [
        {"quantization_config": {"quant_method": "awq", "bits": 4}},
        {"quantization_config": "awq"},
        {"text_config": {"quantization_config": {"quant_method": "awq"}}},
    ],
)
def test_quantised_names_the_method(config: dict[str, Any]) -> None:
    finding = only_finding(llama_files(**config))
    assert finding.code == "QUANTISED"
    assert "(awq)" in finding.found


@pytest.mark.parametrize("config", [{"torch_dtype": "float64"}, {"dtype": "int8"}])
def test_dtype_unsupported(config: dict[str, Any]) -> None:
    finding = only_finding(llama_files(**config))
    assert finding.code == "DTYPE_UNSUPPORTED"
    assert finding.where == f"config.json: {next(iter(config))}"


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "torch.float16", None])
def test_the_dtypes_of_bedrock_are_accepted(dtype: str | None) -> None:
    assert codes(llama_files(torch_dtype=dtype)) == []


@pytest.mark.parametrize("dtype", ["F8_E4M3", "I8", "U8", "I32", "F64", "F8_NEW"])
def test_tensor_dtype_unsupported_counts_and_shows_the_tensors(dtype: str) -> None:
    changed = {name: (dtype, shape) for name, (_, shape) in FIRST_TENSORS.items()}
    finding = only_finding(single_file(TENSORS | changed))
    assert (finding.code, finding.where) == ("TENSOR_DTYPE_UNSUPPORTED", SINGLE)
    first, second, third, *_ = changed
    assert f"10 tensors are {dtype}: {first}, {second}, {third} …" in finding.found


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"1234567",
        b"version https://git-lfs.github.com/spec/v1\n",
        b"\x02" + b"\0" * 7 + b"[]",
        b"\x02" + b"\0" * 7 + b"{",
    ],
)
def test_header_invalid_names_the_file(content: bytes) -> None:
    finding = only_finding(llama_files() | {SECOND_SHARD: content})
    assert (finding.code, finding.where) == ("HEADER_INVALID", SECOND_SHARD)


@pytest.mark.parametrize(
    ("code", "more_bytes", "found"),
    [
        ("SHARD_TRUNCATED", -1, "1 bytes shorter than its header states"),
        ("SHARD_OVERLONG", 7, "7 bytes longer than its header states"),
    ],
)
def test_a_shard_of_another_length_than_its_header_says(
    code: str, more_bytes: int, found: str
) -> None:
    shard = safetensors_file(FIRST_TENSORS)
    changed = FakeFile(shard.content, shard.size_bytes + more_bytes)
    finding = only_finding(llama_files() | {FIRST_SHARD: changed})
    assert (finding.code, finding.where) == (code, FIRST_SHARD)
    assert found in finding.found
    assert f"Exactly {shard.size_bytes} bytes" in finding.accepted


MULTIMODAL = {"model_type": "mllama", "architectures": ["MllamaForConditionalGeneration"]}


@pytest.mark.parametrize(
    ("config", "bytes_below"), [({}, 200_000_000_000), (MULTIMODAL, 100_000_000_000)]
)
def test_weights_too_large_begins_at_the_limit_itself(
    config: dict[str, Any], bytes_below: int
) -> None:
    def weights_of(size_bytes: int) -> Files:
        numbers = (size_bytes - 8 - 200) // 2
        header = {"dtype": "BF16", "shape": [numbers], "data_offsets": [0, numbers * 2]}
        text = to_json({"w": header}).ljust(200)
        content = (200).to_bytes(8, "little") + text
        others = without(llama_files(**config), INDEX, FIRST_SHARD, SECOND_SHARD)
        return {**others, SINGLE: FakeFile(content, size_bytes)}

    assert "WEIGHTS_TOO_LARGE" not in codes(weights_of(bytes_below - 2))
    assert "WEIGHTS_TOO_LARGE" in codes(weights_of(bytes_below))


def test_index_tensor_missing_names_the_tensor_and_its_shard() -> None:
    index = index_of({FIRST_SHARD: TENSORS})
    files = without(llama_files(), SECOND_SHARD) | {INDEX: index}
    finding = only_finding(files)
    assert finding.code == "INDEX_TENSOR_MISSING"
    assert "2 tensors that the index names are not in their shards" in finding.found
    assert f"lm_head.weight ({FIRST_SHARD})" in finding.found


def test_index_tensor_unnamed_names_the_tensor_and_its_shard() -> None:
    named = {"model.norm.weight": ("BF16", (4,))}
    index = index_of({FIRST_SHARD: FIRST_TENSORS, SECOND_SHARD: named})
    finding = only_finding(llama_files() | {INDEX: index})
    assert finding.code == "INDEX_TENSOR_UNNAMED"
    assert f"lm_head.weight ({SECOND_SHARD})" in finding.found


def test_a_tensor_that_lies_in_another_shard_is_told_from_both_sides() -> None:
    swapped = index_of({SECOND_SHARD: FIRST_TENSORS, FIRST_SHARD: SECOND_TENSORS})
    assert codes(llama_files() | {INDEX: swapped}) == [
        "INDEX_TENSOR_MISSING",
        "INDEX_TENSOR_UNNAMED",
    ]


@pytest.mark.parametrize("tokenizer_config", [b"{}", b'{"chat_template": null}'])
def test_chat_template_missing_is_a_warning_that_refuses_nothing(tokenizer_config: bytes) -> None:
    files = llama_files() | {"tokenizer_config.json": tokenizer_config}
    finding = only_finding(files)
    assert (finding.code, finding.severity) == ("CHAT_TEMPLATE_MISSING", "warning")
    assert verdict_on(files).figures.chat_template is None
    assert verdict_on(files).importable


@pytest.mark.parametrize("path", ["chat_template.jinja", "chat_template.json"])
def test_a_chat_template_may_be_a_file_of_its_own(path: str) -> None:
    content = to_json({"chat_template": CHAT_TEMPLATE})
    template = CHAT_TEMPLATE.encode() if path.endswith("jinja") else content
    config = {name: value for name, value in TOKENIZER_CONFIG.items() if name != "chat_template"}
    files = llama_files() | {"tokenizer_config.json": to_json(config), path: template}
    assert codes(files) == []
    assert verdict_on(files).figures.chat_template == path


def test_all_findings_come_at_once_with_the_errors_first() -> None:
    files = llama_files(
        model_type="bert",
        quantization_config={"quant_method": "gptq"},
        torch_dtype="int8",
    ) | {
        "tokenizer_config.json": b"{}",
        FIRST_SHARD: b"cut",
        SECOND_SHARD: safetensors_file(SECOND_TENSORS | {"lm_head.weight": ("I8", (8, 4))}),
        "model-00009-of-00009.safetensors": b"",
    }
    verdict = verdict_on(without(files, "tokenizer.json"), "eu-west-1")
    assert [finding.code for finding in verdict.findings] == [
        "FILE_MISSING",
        "REGION_UNSUPPORTED",
        "ARCH_UNSUPPORTED",
        "QUANTISED",
        "DTYPE_UNSUPPORTED",
        "HEADER_INVALID",
        "TENSOR_DTYPE_UNSUPPORTED",
        "SHARD_NOT_IN_INDEX",
        "CHAT_TEMPLATE_MISSING",
    ]
    assert not verdict.importable


def test_second_copies_of_the_weights_are_neither_counted_nor_copied() -> None:
    files = llama_files()
    copies = {
        "consolidated.safetensors": FakeFile(b"", 200_000_000_000),
        "original/consolidated.00.pth": FakeFile(b"", 200_000_000_000),
        "original/model.safetensors": FakeFile(b"", 200_000_000_000),
        "pytorch_model.bin": FakeFile(b"", 200_000_000_000),
        "llama-f16.gguf": FakeFile(b"", 200_000_000_000),
        "metal/model.bin": FakeFile(b"", 200_000_000_000),
    }
    rest = {"README.md": b"", "modeling_llama.py": b"", "original/params.json": b"{}"}
    everything = files | copies | rest
    assert verdict_on(everything) == verdict_on(files)
    selected, findings = select_files(
        snapshot_of(everything), lambda path: json.loads(_content(everything, path))
    )
    assert findings == []
    assert {file.path for file in (*selected.weights, *selected.metadata)} == files.keys()


def test_the_index_is_not_copied_beside_a_single_file_without_one() -> None:
    files = single_file()
    selected, _ = select_files(snapshot_of(files), lambda _: None)
    assert selected.index is None
    assert [file.path for file in selected.weights] == [SINGLE]
    assert INDEX not in {file.path for file in selected.metadata}


def test_a_refusal_carries_every_error_with_what_to_do() -> None:
    verdict = verdict_on(llama_files(model_type="bert", torch_dtype="int8"), "eu-west-1")
    refusal = verdict.refusal("acme/tiny-llama", COMMIT)
    assert refusal.startswith(
        f"acme/tiny-llama at {COMMIT} cannot be imported, for 3 reason(s):\n1. "
    )
    for finding in verdict.findings:
        assert str(finding) in refusal


def test_a_refusal_leaves_warnings_out() -> None:
    files = llama_files(model_type="bert") | {"tokenizer_config.json": b"{}"}
    assert "CHAT_TEMPLATE_MISSING" not in verdict_on(files).refusal("acme/tiny-llama", COMMIT)


def test_a_refusal_too_long_for_a_cause_still_counts_every_code() -> None:
    shards = {f"model-{number:05}-of-00400.safetensors": b"cut" for number in range(400)}
    index = index_of({path: {f"tensor of {path}": ("F32", ())} for path in shards})
    files = llama_files(model_type="bert") | shards | {INDEX: index}
    verdict = verdict_on(without(files, FIRST_SHARD, SECOND_SHARD))
    refusal = verdict.refusal("acme/tiny-llama", COMMIT)
    assert "for 401 reason(s)" in refusal
    shown = refusal.count("HEADER_INVALID (model-")
    assert shown > 50
    assert refusal.endswith(f"\n… and {400 - shown} more: HEADER_INVALID ({400 - shown}).")
    assert len(refusal) < CAUSE_CHARACTERS_AT_MOST
    assert len(verdict.shown_findings()) == 100


@pytest.mark.parametrize(
    "files",
    [
        llama_files(model_type="x" * 1_000_000),
        llama_files(model_type=["\ud800"] * 100_000),
        llama_files(architectures=["\ud800" * 100_000]),
        llama_files(torch_dtype="\ud800" * 100_000),
        llama_files(quantization_config="x" * 100_000),
        llama_files() | {INDEX: to_json({"weight_map": {"a": "x" * 100_000}})},
        llama_files() | {INDEX: to_json({"weight_map": {"\ud800" * 100_000: FIRST_SHARD}})},
        llama_files() | {FIRST_SHARD: safetensors_file({"\ud800" * 100_000: ("I8", (1,))})},
    ],
)
def test_a_hostile_repository_has_a_refusal_of_a_sane_size(files: Files) -> None:
    verdict = verdict_on(files)
    refusal = verdict.refusal("acme/tiny-llama", COMMIT)
    assert len(refusal.encode()) < CAUSE_CHARACTERS_AT_MOST
    errors = [finding for finding in verdict.findings if finding.severity == "error"]
    assert all(finding.code in refusal for finding in errors)
    assert len(json.dumps(verdict.figures.to_dict(), ensure_ascii=False).encode()) < 10_000


def test_every_architecture_of_the_rules_is_accepted_in_its_regions() -> None:
    for row in bedrock_rules().architectures:
        for name in row.classes:
            assert verdict_on(family_files(row.model_type, name), row.regions[0]).importable


def _content(files: Files, path: str) -> bytes:
    file = files[path]
    return file if isinstance(file, bytes) else file.content


def test_what_is_put_right_in_the_copy_is_told_and_refuses_nothing() -> None:
    rope = {"rope_theta": 500000.0, "rope_type": "default"}
    verdict = verdict_on(llama_files(rope_parameters=rope))

    told = [finding for finding in verdict.findings if finding.severity == "normalised"]
    assert ("NORMALISED", "config.json: rope_parameters") in [(f.code, f.where) for f in told]
    assert verdict.importable


def test_what_would_be_put_right_refuses_when_normalising_is_off() -> None:
    files = llama_files(rope_parameters={"rope_theta": 500000.0, "rope_type": "default"})
    verdict = judge(snapshot_of(files), FakeReaders(files), REGION, normalising=False)

    assert "NEEDS_NORMALISING" in [finding.code for finding in verdict.findings]
    assert not verdict.importable


def test_what_bedrock_may_read_as_it_is_refuses_nothing_when_normalising_is_off() -> None:
    config = to_json(TOKENIZER_CONFIG | {"chat_template": {"default": CHAT_TEMPLATE}})
    files = llama_files() | {"tokenizer_config.json": config}
    verdict = judge(snapshot_of(files), FakeReaders(files), REGION, normalising=False)

    (finding,) = verdict.findings
    assert (finding.code, finding.severity) == ("NORMALISING_ADVISED", "warning")
    assert finding.where == "tokenizer_config.json: chat_template"
    assert verdict.importable


@pytest.mark.parametrize(
    ("model_type", "kind"),
    [("llama", "decoder"), ("t5", "encoder-decoder"), ("mllama", "multimodal"), ("bert", None)],
)
def test_a_verdict_says_of_which_kind_the_model_is(model_type: str, kind: str | None) -> None:
    assert verdict_on(llama_files(model_type=model_type)).figures.kind == kind


LLAMA3_ROPE = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def test_a_rope_scaling_that_bedrock_overrides_is_a_warning_with_both_values() -> None:
    finding = only_finding(
        llama_files(rope_theta=500000.0, rope_scaling=LLAMA3_ROPE | {"factor": 32.0})
    )

    assert (finding.code, finding.severity) == ("ROPE_OVERRIDDEN", "warning")
    assert "factor 32.0" in finding.found
    assert "factor 8.0" in finding.accepted


@pytest.mark.parametrize("scaling", [None, LLAMA3_ROPE, {"type": "linear", "factor": 2.0}, "odd"])
def test_a_rope_scaling_that_bedrock_leaves_alone_is_no_finding(scaling: object) -> None:
    assert codes(llama_files(rope_theta=500000.0, rope_scaling=scaling)) == []


def test_code_of_the_repositorys_own_is_a_warning() -> None:
    finding = only_finding(llama_files(auto_map={"AutoModelForCausalLM": "modeling.Own"}))

    assert (finding.code, finding.severity) == ("CUSTOM_CODE", "warning")
