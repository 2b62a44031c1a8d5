"""Every tensor and shape of every family, against checkpoints that transformers saved."""

from __future__ import annotations

import json
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings, strategies as st

from model_import.bedrock.rules import bedrock_rules
from model_import.bedrock.transformers_version import TRANSFORMERS
from model_import.model_files.safetensors import Header, Tensor
from model_import.preflight.expected_tensors import check_tensors, expected_tensors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_import.findings.finding import Finding

type Shapes = dict[str, tuple[int, ...]]
type Config = dict[str, Any]


def recordings(file: str, label: str = "") -> dict[str, dict[str, Any]]:
    text = (Path(__file__).parents[1] / "data" / file).read_text(encoding="utf-8")
    return {f"{case}{label}": recorded for case, recorded in json.loads(text).items()}


RECORDED: Final = {
    **recordings("family_headers.json"),
    **recordings("family_headers_5.json", " (transformers 5)"),
}
CHECKPOINTS: Final = sorted(case for case in RECORDED if "tensors" in RECORDED[case])
DEFAULTS: Final = sorted(case for case in RECORDED if "tensors" not in RECORDED[case])

SIZES_THAT_MATTER: Final = frozenset(
    {
        "d_ff",
        "d_kv",
        "d_model",
        "depth",
        "embed_dim",
        "head_dim",
        "hidden_size",
        "image_size",
        "intermediate_size",
        "max_num_tiles",
        "mlp_ratio",
        "moe_intermediate_size",
        "n_embd",
        "n_head",
        "n_inner",
        "n_layer",
        "n_positions",
        "num_channels",
        "num_decoder_layers",
        "num_attention_heads",
        "num_experts",
        "num_global_layers",
        "num_heads",
        "num_hidden_layers",
        "num_key_value_heads",
        "num_layers",
        "num_local_experts",
        "out_hidden_size",
        "patch_size",
        "relative_attention_num_buckets",
        "spatial_merge_size",
        "vision_output_dim",
        "vocab_size",
    }
)
SWITCHES_THAT_MATTER: Final = frozenset({"attention_bias", "mlp_bias", "multi_query"})
TINY_GPT_OSS: Final[Config] = {
    "model_type": "gpt_oss",
    "vocab_size": 48,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 10,
    "num_local_experts": 3,
}
TINY_GPT_OSS_TENSORS: Final[Shapes] = {
    "model.embed_tokens.weight": (48, 24),
    "model.layers.0.input_layernorm.weight": (24,),
    "model.layers.0.mlp.experts.down_proj": (3, 40, 24),
    "model.layers.0.mlp.experts.down_proj_bias": (3, 24),
    "model.layers.0.mlp.experts.gate_up_proj": (3, 24, 80),
    "model.layers.0.mlp.experts.gate_up_proj_bias": (3, 80),
    "model.layers.0.mlp.router.bias": (3,),
    "model.layers.0.mlp.router.weight": (3, 24),
    "model.layers.0.post_attention_layernorm.weight": (24,),
    "model.layers.0.self_attn.k_proj.bias": (20,),
    "model.layers.0.self_attn.k_proj.weight": (20, 24),
    "model.layers.0.self_attn.o_proj.bias": (24,),
    "model.layers.0.self_attn.o_proj.weight": (24, 40),
    "model.layers.0.self_attn.q_proj.bias": (40,),
    "model.layers.0.self_attn.q_proj.weight": (40, 24),
    "model.layers.0.self_attn.sinks": (4,),
    "model.layers.0.self_attn.v_proj.bias": (20,),
    "model.layers.0.self_attn.v_proj.weight": (20, 24),
    "model.norm.weight": (24,),
    "lm_head.weight": (48, 24),
}


def checkpoint(case: str) -> tuple[Config, Shapes]:
    recorded = RECORDED[case]
    return recorded["config"], {name: tuple(shape) for name, shape in recorded["tensors"].items()}


def findings_of(config: Config, tensors: Shapes) -> list[Finding]:
    """Return what is found in these tensors, spread over two files."""
    halves = (dict(list(tensors.items())[::2]), dict(list(tensors.items())[1::2]))
    headers = {
        f"model-{number}-of-2.safetensors": Header(
            tuple(Tensor(name, "BF16", shape, 0, 0) for name, shape in half.items()), 2
        )
        for number, half in enumerate(halves, 1)
    }
    return list(check_tensors(config, headers))


def only_finding(config: Config, tensors: Shapes) -> Finding:
    (finding,) = findings_of(config, tensors)
    assert finding.severity == "error"
    assert finding.accepted.endswith(".")
    assert finding.remedy.endswith(".")
    return finding


def test_every_family_that_bedrock_imports_is_known() -> None:
    for architecture in bedrock_rules().architectures:
        assert expected_tensors({"model_type": architecture.model_type}) is not None
    recorded = {RECORDED[case]["config"]["model_type"] for case in CHECKPOINTS}
    assert recorded == {row.model_type for row in bedrock_rules().architectures}


def test_an_unknown_family_is_left_to_the_other_findings() -> None:
    assert expected_tensors({"model_type": "gemma"}) is None
    assert findings_of({"model_type": "gemma"}, {"anything": (1,)}) == []
    assert expected_tensors({}) is None


@pytest.mark.parametrize("case", CHECKPOINTS)
def test_a_checkpoint_as_transformers_saves_it_has_nothing_wrong(case: str) -> None:
    assert findings_of(*checkpoint(case)) == []


@pytest.mark.parametrize("case", DEFAULTS)
def test_a_field_left_out_has_the_default_of_its_class(case: str) -> None:
    config = RECORDED[case]["config"]
    by_default = expected_tensors({"model_type": config["model_type"]})
    written_out = expected_tensors(config)
    assert by_default is not None
    assert written_out is not None
    assert by_default.required == written_out.required
    assert by_default.optional == written_out.optional


@pytest.mark.parametrize("case", CHECKPOINTS)
def test_each_tensor_that_is_missing_is_named(case: str) -> None:
    config, tensors = checkpoint(case)
    for name in tensors:
        others = {other: shape for other, shape in tensors.items() if other != name}
        finding = only_finding(config, others)
        assert finding.code == "TENSOR_MISSING"
        assert finding.where == name
        assert finding.found == f"1 tensor missing: {name}"


@pytest.mark.parametrize("case", CHECKPOINTS)
def test_each_tensor_of_another_shape_is_named_with_both_shapes(case: str) -> None:
    config, tensors = checkpoint(case)
    for name, shape in tensors.items():
        for other in ((*shape[:-1], shape[-1] + 1), (*shape, 1)):
            finding = only_finding(config, tensors | {name: other})
            assert finding.code == "TENSOR_SHAPE"
            assert finding.found == f"1 tensor of shape {list(other)}: {name}"
            assert str(list(shape)) in finding.accepted


@pytest.mark.parametrize("case", CHECKPOINTS)
def test_each_layer_that_is_missing_is_named_as_one(case: str) -> None:
    config, tensors = checkpoint(case)
    expected = expected_tensors(config)
    assert expected is not None
    for layer in expected.layers:
        others = {
            name: shape for name, shape in tensors.items() if not name.startswith(f"{layer}.")
        }
        finding = only_finding(config, others)
        assert finding.code == "TENSOR_MISSING"
        assert finding.found == f"1 layer missing: {layer}"


def changed_sizes(config: Config) -> Iterator[tuple[str, Config]]:
    """Yield the configuration with each size that matters doubled, and each switch turned."""
    for name, value in config.items():
        if name in SIZES_THAT_MATTER and value is not None:
            yield name, config | {name: 2 * value}
        elif name in SWITCHES_THAT_MATTER:
            yield name, config | {name: not value}
        elif isinstance(value, dict):
            for within, section in changed_sizes(value):
                yield f"{name}.{within}", config | {name: section}


def has_no_effect(name: str, config: Config, tensors: Shapes) -> bool:
    """Return whether this model has no tensor that this field could change."""
    match config["model_type"], name:
        case "gpt_bigcode", "num_key_value_heads":
            return True
        case "gpt_bigcode", "n_head":
            return not config["multi_query"]
        case "qwen2_vl" | "qwen2_5_vl", "vision_config.num_heads":
            return True
        case "qwen3_moe", "intermediate_size":
            return not any(tensor.endswith(".mlp.up_proj.weight") for tensor in tensors)
        case _:
            return False


@pytest.mark.parametrize("case", CHECKPOINTS)
def test_a_configuration_of_another_size_does_not_pass(case: str) -> None:
    config, tensors = checkpoint(case)
    changes = dict(changed_sizes(config))
    assert len(changes) >= 5
    for name, changed in changes.items():
        findings = findings_of(changed, tensors)
        if has_no_effect(name, changed, tensors):
            assert findings == []
            continue
        assert findings, name
        assert {finding.code for finding in findings} <= {
            "TENSOR_MISSING",
            "TENSOR_SHAPE",
            "TENSOR_UNEXPECTED",
        }


def test_a_wrong_vocabulary_is_told_by_the_field_and_both_tensors_that_follow_it() -> None:
    config, tensors = checkpoint("llama")
    finding = only_finding(config | {"vocab_size": 50}, tensors)
    assert finding.code == "TENSOR_SHAPE"
    assert finding.found.startswith("2 tensors of shape [48, 24]: ")
    assert "lm_head.weight" in finding.found
    assert "model.embed_tokens.weight" in finding.found
    assert finding.accepted == "config.json specifies [50, 24]: vocab_size = 50."


def test_more_layers_in_the_configuration_are_layers_missing() -> None:
    config, tensors = checkpoint("llama")
    finding = only_finding(config | {"num_hidden_layers": 7}, tensors)
    assert finding.code == "TENSOR_MISSING"
    assert finding.found == ("5 layers missing: model.layers.2, model.layers.3, model.layers.4 …")


def test_fewer_layers_in_the_configuration_are_layers_without_a_place() -> None:
    config, tensors = checkpoint("llama")
    finding = only_finding(config | {"num_hidden_layers": 1}, tensors)
    assert finding.code == "TENSOR_UNEXPECTED"
    assert finding.found == "9 tensors that the model does not have: model.layers.1"


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", "merge_and_unload"),
        ("model.layers.0.self_attn.q_proj.lora_B.default.weight", "merge_and_unload"),
        ("model.layers.0.self_attn.q_proj.base_layer.weight", "merge_and_unload"),
        ("model.layers.0.self_attn.qkv_proj.weight", "Split"),
        ("model.layers.0.mlp.gate_up_proj.weight", "Split"),
        ("model.layers.0.self_attn.q_proj.qweight", "unquantised"),
        ("model.layers.0.self_attn.q_proj.weight_scale_inv", "unquantised"),
        ("model.layers.0.self_attn.q_proj.weight.quant_state.bitsandbytes__nf4", "unquantised"),
        ("model.language_model.layers.0.self_attn.q_proj.weight", TRANSFORMERS),
        ("score.weight", "generates text"),
        ("model.layers.0.self_attn.q_proj.bias", "different models"),
        ("rubbish", "different models"),
    ],
)
def test_a_tensor_that_does_not_belong_is_named_with_what_to_do(name: str, remedy: str) -> None:
    config, tensors = checkpoint("llama")
    finding = only_finding(config, tensors | {name: (24, 24)})
    assert finding.code == "TENSOR_UNEXPECTED"
    assert finding.found.startswith("1 tensor ")
    assert finding.found.endswith(f": {name}")
    assert remedy in finding.remedy


@pytest.mark.parametrize("case", CHECKPOINTS)
def test_an_adapter_left_in_is_found_in_every_family(case: str) -> None:
    config, tensors = checkpoint(case)
    for name in tensors:
        left = f"{name.removesuffix('.weight')}.lora_A.weight"
        finding = only_finding(config, tensors | {left: (8, 24)})
        assert finding.code == "TENSOR_UNEXPECTED"
        assert left in finding.found


def test_several_faults_are_found_at_once() -> None:
    config, tensors = checkpoint("qwen2")
    del tensors["model.norm.weight"]
    tensors["lm_head.weight"] = (47, 24)
    tensors["lora_A"] = (1,)
    codes = [finding.code for finding in findings_of(config, tensors)]
    assert codes == ["TENSOR_MISSING", "TENSOR_UNEXPECTED", "TENSOR_SHAPE"]


@pytest.mark.parametrize(
    ("case", "name", "shape"),
    [
        ("llama tied", "lm_head.weight", (48, 24)),
        ("qwen2 tied", "lm_head.weight", (48, 24)),
        ("qwen2_vl tied", "lm_head.weight", (48, 24)),
        ("gpt_bigcode", "lm_head.weight", (48, 24)),
        ("t5", "lm_head.weight", (48, 24)),
        ("t5", "encoder.embed_tokens.weight", (48, 24)),
        ("t5 gated and untied", "decoder.embed_tokens.weight", (48, 24)),
    ],
)
def test_a_tied_tensor_may_be_stored_and_then_has_the_right_shape(
    case: str, name: str, shape: tuple[int, ...]
) -> None:
    config, tensors = checkpoint(case)
    assert name not in tensors
    assert findings_of(config, tensors | {name: shape}) == []
    assert only_finding(config, tensors | {name: (1, 24)}).code == "TENSOR_SHAPE"


@pytest.mark.parametrize(
    ("case", "names"),
    [
        (
            "gpt_bigcode",
            {
                "n_embd": "hidden_size",
                "n_positions": "max_position_embeddings",
                "n_head": "num_attention_heads",
                "n_layer": "num_hidden_layers",
            },
        ),
        (
            "t5",
            {
                "d_model": "hidden_size",
                "num_heads": "num_attention_heads",
                "num_layers": "num_hidden_layers",
                "d_kv": "head_dim",
            },
        ),
        ("qwen3_moe", {"num_experts": "num_local_experts"}),
    ],
)
def test_a_field_may_go_by_the_other_name_that_its_class_answers_to(
    case: str, names: dict[str, str]
) -> None:
    config, tensors = checkpoint(case)
    assert (
        findings_of({names.get(name, name): value for name, value in config.items()}, tensors) == []
    )


def test_an_untied_head_must_be_stored() -> None:
    config, tensors = checkpoint("llama tied")
    finding = only_finding(config | {"tie_word_embeddings": False}, tensors)
    assert finding.where == "lm_head.weight"


def test_t5_may_store_its_shared_embedding_under_the_name_of_either_stack() -> None:
    config, tensors = checkpoint("t5")
    embedding = tensors.pop("shared.weight")
    assert findings_of(config, tensors | {"decoder.embed_tokens.weight": embedding}) == []
    assert only_finding(config, tensors).where == "shared.weight"


@pytest.mark.parametrize(
    ("case", "buffer"),
    [
        ("llama", "model.layers.0.self_attn.rotary_emb.inv_freq"),
        ("mistral", "model.rotary_emb.inv_freq"),
        ("qwen2_vl", "visual.rotary_pos_emb.inv_freq"),
        ("gpt_bigcode", "transformer.h.0.attn.bias"),
        ("gpt_bigcode", "transformer.h.0.attn.masked_bias"),
        ("gpt_bigcode", "transformer.bias"),
        ("t5", "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"),
        ("mllama", "vision_model.embeddings.position_ids"),
    ],
)
def test_a_buffer_of_older_versions_is_no_fault(case: str, buffer: str) -> None:
    config, tensors = checkpoint(case)
    assert findings_of(config, tensors | {buffer: (7,)}) == []


def test_gpt_oss_has_its_experts_in_one_tensor_and_sinks_and_biases() -> None:
    expected = expected_tensors(TINY_GPT_OSS)
    assert expected is not None
    assert expected.required == TINY_GPT_OSS_TENSORS
    assert findings_of(TINY_GPT_OSS, TINY_GPT_OSS_TENSORS) == []


def decoder(family: str, *sizes: int, **others: object) -> Config:
    names = (
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
    )
    return {"model_type": family, **dict(zip(names, sizes, strict=True)), **others}


@pytest.mark.parametrize(
    ("parameters", "config"),
    [
        # Half the bytes of the BF16 weights, which published_models.toml has with their sources.
        pytest.param(8_030_261_248, decoder("llama", 128256, 4096, 14336, 32, 32, 8), id="8B"),
        pytest.param(70_553_706_496, decoder("llama", 128256, 8192, 28672, 80, 64, 8), id="70B"),
        pytest.param(7_241_732_096, {"model_type": "mistral"}, id="Mistral-7B-v0.1"),
        pytest.param(46_702_792_704, {"model_type": "mixtral"}, id="Mixtral-8x7B-v0.1"),
        pytest.param(
            7_615_616_512, decoder("qwen2", 152064, 3584, 18944, 28, 28, 4), id="Qwen2.5-7B"
        ),
        pytest.param(
            8_190_735_360, decoder("qwen3", 151936, 4096, 12288, 36, 32, 8), id="Qwen3-8B"
        ),
        pytest.param(
            30_532_122_624,
            decoder("qwen3_moe", 151936, 2048, 6144, 48, 32, 4, head_dim=128),
            id="Qwen3-30B-A3B",
        ),
        pytest.param(
            8_292_166_656,
            decoder(
                "qwen2_5_vl", 152064, 3584, 18944, 28, 28, 4, vision_config={"hidden_size": 1280}
            ),
            id="Qwen2.5-VL-7B",
        ),
        pytest.param(
            20_914_757_184,
            decoder("gpt_oss", 201088, 2880, 2880, 24, 64, 8, num_local_experts=32),
            id="gpt-oss-20b",
        ),
        # As llama.cpp (n_params) and Ollama (parameter_size) report it; public code quotes both.
        pytest.param(116_829_156_672, {"model_type": "gpt_oss"}, id="gpt-oss-120b"),
    ],
)
def test_the_tensors_of_published_models_add_up_to_their_parameters(
    parameters: int, config: Config
) -> None:
    expected = expected_tensors(config)
    assert expected is not None
    assert sum(prod(shape) for shape in expected.required.values()) == parameters


@pytest.mark.parametrize(
    ("case", "change"),
    [
        ("llama", {"hidden_size": "24"}),
        ("llama", {"hidden_size": None}),
        ("llama", {"hidden_size": True}),
        ("llama", {"vocab_size": -48}),
        ("llama", {"num_attention_heads": 0}),
        ("llama", {"num_hidden_layers": 10**9}),
        ("llama", {"head_dim": 2**40}),
        ("llama", {"attention_bias": "yes"}),
        ("mixtral", {"num_local_experts": 10**9}),
        ("qwen3_moe", {"num_experts": 1024, "num_hidden_layers": 1000}),
        ("qwen3_moe", {"mlp_only_layers": "1"}),
        ("t5", {"feed_forward_proj": None}),
        ("mllama", {"text_config": []}),
        ("mllama", {"vision_config": {"supported_aspect_ratios": 3}}),
        ("qwen2_vl", {"vision_config": {"mlp_ratio": 2.5}}),
    ],
)
def test_a_size_that_no_model_has_is_named_and_builds_no_table(case: str, change: Config) -> None:
    config, tensors = checkpoint(case)
    assert expected_tensors(config | change) is None
    assert only_finding(config | change, tensors).code == "CONFIG_SIZE_INVALID"


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda values: (
        st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3)
    ),
    max_leaves=5,
)


@settings(deadline=None)
@given(st.data())
def test_no_value_of_any_field_makes_the_check_fail(data: st.DataObject) -> None:
    config, tensors = checkpoint(data.draw(st.sampled_from(CHECKPOINTS)))
    field = data.draw(st.sampled_from(sorted(config)))
    value = data.draw(JSON)
    if isinstance(config[field], dict) and data.draw(st.booleans()):
        value = config[field] | {data.draw(st.sampled_from(sorted(config[field]))): value}
    findings_of(config | {field: value}, tensors)
