"""What an import refuses: every fault ends the job as Failed, with a message that names it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.checkpoints.tiny_checkpoint import safetensors_file, tiny_checkpoint, to_json
from support.servers.bedrock_endpoint import BUCKET, BedrockEndpoint, bedrock_endpoint

from local.bedrock import import_job
from model_import.bedrock.rules import bedrock_rules

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILES = tiny_checkpoint()
SHARD = "model-00002-of-00003.safetensors"
INDEX = "model.safetensors.index.json"
GPT_OSS = {"model_type": "gpt_oss", "architectures": ["GptOssForCausalLM"]}


@pytest.fixture(scope="module")
def server() -> Iterator[BedrockEndpoint]:
    with bedrock_endpoint() as served:
        yield served


@pytest.fixture
def endpoint(server: BedrockEndpoint) -> BedrockEndpoint:
    server.restart()
    return server


def failure(endpoint: BedrockEndpoint, files: Mapping[str, bytes | None]) -> str:
    """Return why the tiny checkpoint is refused with these files changed, or with None left out."""
    changed = {**FILES, **files}
    staged = {name: body for name, body in changed.items() if body is not None}
    job = endpoint.end_import(endpoint.start_import(endpoint.stage(staged)))
    assert job["status"] == "Failed", "the import succeeded"
    assert "importedModelArn" not in job
    assert endpoint.bedrock.list_imported_models()["modelSummaries"] == []
    return str(job["failureMessage"])


def edited(name: str, **changes: Any) -> dict[str, bytes]:  # noqa: ANN401  any JSON
    """Return a JSON file of the checkpoint with keys changed."""
    return {name: to_json(json.loads(FILES[name]) | changes)}


def test_an_unsupported_architecture_is_refused_in_the_recorded_words(
    endpoint: BedrockEndpoint,
) -> None:
    files = edited("config.json", model_type="gemma3", architectures=["Gemma3ForCausalLM"])
    accepted = ", ".join(row.model_type for row in bedrock_rules().architectures)
    assert failure(endpoint, files) == (
        "Amazon bedrock does not support the architecture (gemma3) of the model that you are "
        "importing. Try again with one of the following supported architectures: "
        f"[{accepted}]"
    )


def test_a_missing_config_json_is_refused_in_the_recorded_words(endpoint: BedrockEndpoint) -> None:
    uri = endpoint.stage({})
    job = endpoint.end_import(endpoint.start_import(uri))
    assert job["failureMessage"] == f"could not find the expected file {uri}config.json"


def test_a_config_json_in_a_folder_below_is_not_found(endpoint: BedrockEndpoint) -> None:
    files = {"config.json": None, "deeper/config.json": FILES["config.json"]}
    assert "could not find the expected file" in failure(endpoint, files)


def test_a_bucket_that_cannot_be_read_is_refused_in_the_recorded_words(
    endpoint: BedrockEndpoint,
) -> None:
    job = endpoint.end_import(endpoint.start_import("s3://no-such-bucket/models/"))
    assert job["failureMessage"].startswith(
        "Amazon Bedrock does not have access to the S3 location s3://no-such-bucket/models/"
    )


def test_a_trailing_slash_makes_no_difference(endpoint: BedrockEndpoint) -> None:
    uri = endpoint.stage(FILES).rstrip("/")
    assert endpoint.end_import(endpoint.start_import(uri))["status"] == "Completed"


def test_a_bucket_may_hold_a_model_at_its_root(endpoint: BedrockEndpoint) -> None:
    for name, body in FILES.items():
        endpoint.s3.put_object(Bucket=BUCKET, Key=name, Body=body)
    assert endpoint.end_import(endpoint.start_import(f"s3://{BUCKET}"))["status"] == "Completed"


def test_weights_in_a_folder_below_are_passed_over(endpoint: BedrockEndpoint) -> None:
    files = tiny_checkpoint(shards=1)
    files |= {"original/consolidated.safetensors": b"not read", "README.md": b"# Tiny"}
    assert endpoint.import_model(files)


def test_one_file_of_weights_needs_no_index(endpoint: BedrockEndpoint) -> None:
    assert endpoint.import_model(tiny_checkpoint(shards=1))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"config.json": b"{"}, "config.json is not JSON"),
        ({"config.json": b"[]"}, "config.json is not a JSON object"),
        (
            edited("config.json", quantization_config={"quant_method": "gptq"}),
            "does not import quantized models",
        ),
        (edited("config.json", max_position_embeddings=262_144), "at most 131072 tokens"),
        (
            edited("config.json", model_type="qwen3", architectures=["LlamaForCausalLM"]),
            "names the class LlamaForCausalLM; of Qwen3",
        ),
        (edited("config.json", architectures=["LlamaModel"]), "names the class LlamaModel"),
        ({"tokenizer.json": None, "tokenizer_config.json": None}, "tokenizer_config.json, token"),
        ({"tokenizer.json": b"{}"}, "tokenizer.json cannot be loaded"),
        (
            edited("tokenizer_config.json", tokenizer_class="TokenizersBackend"),
            "names the tokenizer class TokenizersBackend",
        ),
        ({SHARD: None}, f"names files that are missing: {SHARD}"),
        ({INDEX: None}, f"3 .safetensors files need {INDEX}"),
        ({INDEX: to_json({"metadata": {}})}, "has no weight_map"),
        (dict.fromkeys(name for name in FILES if "safetensors" in name), "no .safetensors file"),
        ({SHARD: FILES[SHARD][:-1]}, f"{SHARD} cannot be loaded: its tensors end at byte"),
        ({SHARD: FILES[SHARD] + b"\0"}, f"{SHARD} cannot be loaded: its tensors end at byte"),
        ({SHARD: b"\0"}, "too few for a safetensors file"),
        ({SHARD: b"\xff" * 100}, "does not fit 100 bytes"),
        ({SHARD: b"\x02" + bytes(7) + b"[]"}, "its header is not a JSON object"),
        (
            {SHARD: safetensors_file({"odd": np.zeros((1,), np.float32)})},
            f"Tensors are not in the files that {INDEX} names",
        ),
        (edited("config.json", num_hidden_layers=2), "missing from the weights: model.layers.1"),
        (edited("config.json", intermediate_size=3), "config.json asks for (3, "),
    ],
)
def test_a_fault_in_the_staged_files_fails_the_job(
    endpoint: BedrockEndpoint, files: dict[str, bytes | None], message: str
) -> None:
    assert message in failure(endpoint, files)


def test_weights_that_are_not_f32_f16_or_bf16_fail_the_job(endpoint: BedrockEndpoint) -> None:
    weights = safetensors_file({"model.norm.weight": np.zeros((2,), np.float32)}, "F64")
    files = dict.fromkeys(name for name in FILES if "safetensors" in name)
    message = failure(endpoint, files | {"model.safetensors": weights})
    assert "tensors of F64; Amazon Bedrock imports F32, F16, BF16" in message


@pytest.mark.parametrize("dtype", ["F32", "F16"])
def test_weights_of_every_accepted_dtype_answer(endpoint: BedrockEndpoint, dtype: str) -> None:
    files = tiny_checkpoint(shards=1, dtype=dtype)
    assert endpoint.invoke(endpoint.import_model(files), {"prompt": ":"})["generation"] == "金管"


def test_weights_that_reach_the_limit_fail_the_job(
    endpoint: BedrockEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    total = sum(len(body) for name, body in FILES.items() if name.endswith(".safetensors"))
    rules = replace(bedrock_rules(), text_bytes_below=total)
    monkeypatch.setattr(import_job, "bedrock_rules", lambda: rules)
    assert f"The weights have {total} bytes" in failure(endpoint, {})


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({"metadata": {"total_size": 1, "total_parameters": 1}}, "metadata: total_parameters"),
        ({"metadata": None}, "has no metadata"),
    ],
)
def test_gpt_oss_is_particular_about_the_metadata_of_its_index(
    endpoint: BedrockEndpoint, index: dict[str, Any], message: str
) -> None:
    assert message in failure(endpoint, edited("config.json", **GPT_OSS) | edited(INDEX, **index))


def test_other_architectures_are_not(endpoint: BedrockEndpoint) -> None:
    assert endpoint.import_model(FILES | edited(INDEX, metadata=None))


def test_gpt_oss_is_imported_in_one_region_only(endpoint: BedrockEndpoint) -> None:
    files = FILES | edited("config.json", **GPT_OSS)
    model = endpoint.bedrock.get_imported_model(modelIdentifier=endpoint.import_model(files))
    assert model["customModelUnits"]["customModelUnitsVersion"] == "v2.0"
    assert model["instructSupported"] is False
    endpoint.restart(region="us-west-2")
    assert "imported in us-east-1 only, not in us-west-2" in failure(endpoint, files)


@pytest.mark.parametrize(
    "files",
    [edited("config.json", max_position_embeddings="long"), {"chat_template.json": b"{"}],
)
def test_a_file_that_is_broken_in_an_unforeseen_way_fails_the_job_once(
    endpoint: BedrockEndpoint, files: dict[str, bytes | None]
) -> None:
    message = failure(endpoint, files)
    assert message == "An internal error occurred while the model was imported."


def test_a_failure_message_is_cut_to_its_documented_length(endpoint: BedrockEndpoint) -> None:
    message = failure(endpoint, edited("config.json", model_type="x" * 3000))
    assert len(message) == 2048
