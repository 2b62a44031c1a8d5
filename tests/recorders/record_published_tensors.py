# /// script
# requires-python = ">=3.11"
# dependencies = ["torch>=2.6", "transformers==4.51.3", "safetensors>=0.4.3"]
# ///
"""Record the tensors of published models, as transformers builds them from their config.json.

    uv run --script tests/recorders/record_published_tensors.py
    uv run --with torch --with transformers==5.23.0 tests/recorders/record_published_tensors.py

Reads published_models.toml and writes published_tensors.json, both in tests/unit/data: by
repository, the name, shape and dtype of every tensor. The models use no memory (torch's meta
device), so that 671 billion parameters fit. Run it with the version that Bedrock names first: then
transformers 5 adds only the families that this version does not have.

A row stands for the tensors of all layers: in ["model.layers.*.mlp.up_proj.weight", [80], …] the
star is 0 to 79; with [[3, 8]] in place of [80] it would be 3 and 8.
"""

import importlib
import json
import re
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator
from math import ceil, prod
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "unit" / "data"
RECORDING = DATA / "published_tensors.json"
DTYPES = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}
ONLY_IN_5 = {"gpt_oss", "qwen3_5"}
BLOCK = 128

Tensors = dict[str, tuple[list[int], str]]
Stored = Iterator[tuple[str, tuple[list[int], str]]]
Change = Callable[[str, list[int], str], Stored]


def read_models() -> list[dict[str, Any]]:
    """Return the models of the data file, with the fields that they inherit by `like`."""
    models: dict[str, dict[str, Any]] = {}
    for given in tomllib.loads((DATA / "published_models.toml").read_text("utf-8"))["models"]:
        base = models[given["like"]] if "like" in given else {"config": {}}
        inherited = {key: base[key] for key in ("tokenizer", "tokens", "dtype") if key in base}
        config = base["config"] | given.get("config", {}) | given.get("change", {})
        for name in given.get("without", ()):
            del config[name]
        models[given["repo"]] = inherited | given | {"config": config}
    return list(models.values())


def build(config: dict[str, Any], class_name: str, dtype: str) -> tuple[Tensors, set[str]]:
    """Return the tensors of the state dict, and the names of tied tensors."""
    transformers = importlib.import_module("transformers")
    torch = importlib.import_module("torch")
    plain = {name: value for name, value in config.items() if name != "quantization_config"}
    config_class = transformers.CONFIG_MAPPING[config["model_type"]]
    with torch.device("meta"):
        model = getattr(transformers, class_name)(config_class(**plain))
    seen: dict[int, str] = {}
    tied = set()
    tensors: Tensors = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) in seen:
            tied.add(name)
        seen.setdefault(id(tensor), name)
        tensors[name] = (list(tensor.shape), dtype)
    return tensors, tied


def as_stored(model: dict[str, Any], tensors: Tensors, tied: set[str]) -> Tensors:
    """Return the tensors as the repository stores them, by its `weights`."""
    how = model.get("weights", "")
    kept = {name: at for name, at in tensors.items() if name not in tied or how == "tied head"}
    match how:
        case "inv_freq":
            layers, heads = (
                model["config"][f"num_{of}"] for of in ("hidden_layers", "attention_heads")
            )
            half = model["config"]["hidden_size"] // heads // 2
            return kept | {
                f"model.layers.{n}.self_attn.rotary_emb.inv_freq": ([half], "F32")
                for n in range(layers)
            }
        case "gamma and beta":
            return dict(_each(kept, _gamma))
        case "gptq":
            return dict(_each(kept, _gptq))
        case "fp8":
            return dict(_each(kept, _fp8))
        case "mxfp4":
            return dict(_each(kept, _mxfp4))
        case _:
            return kept


def _each(tensors: Tensors, change: Change) -> Stored:
    for name, at in tensors.items():
        yield from change(name, *at)


def _gamma(name: str, shape: list[int], dtype: str) -> Stored:
    yield re.sub(r"LayerNorm\.(weight|bias)", _gamma_or_beta, name), (shape, dtype)


def _gamma_or_beta(found: re.Match[str]) -> str:
    return "LayerNorm.gamma" if found[1] == "weight" else "LayerNorm.beta"


def _gptq(name: str, shape: list[int], dtype: str) -> Stored:
    """Yield a layer's weight as GPTQ packs it: eight 4-bit numbers to an int32, groups of 128."""
    if not name.endswith("_proj.weight"):
        yield name, (shape, dtype)
        return
    out, into = shape
    stem = name.removesuffix("weight")
    groups = ceil(into / BLOCK)
    yield f"{stem}qweight", ([into // 8, out], "I32")
    yield f"{stem}qzeros", ([groups, out // 8], "I32")
    yield f"{stem}scales", ([groups, out], "F16")
    yield f"{stem}g_idx", ([into], "I32")


def _fp8(name: str, shape: list[int], dtype: str) -> Stored:
    """Yield a layer's weight in 8 bits, with a scale for each block of 128 by 128."""
    if not re.search(r"_proj(_with_mqa)?\.weight$", name):
        yield name, (shape, dtype)
        return
    yield name, (shape, "F8_E4M3")
    yield f"{name}_scale_inv", ([ceil(size / BLOCK) for size in shape], "F32")


def _mxfp4(name: str, shape: list[int], dtype: str) -> Stored:
    """Yield the experts of a layer in 4 bits: rows of 16 bytes, 32 numbers to a scale."""
    if not re.search(r"experts\.(gate_up|down)_proj$", name):
        yield name, (shape, dtype)
        return
    experts, into, out = shape
    yield f"{name}_blocks", ([experts, out, into // 32, 16], "U8")
    yield f"{name}_scales", ([experts, out, into // 32], "U8")


def rows(tensors: Tensors) -> list[list[Any]]:
    """Return the tensors in rows: one row for tensors that differ only by numbers in the name."""
    groups: dict[tuple[str, tuple[int, ...], str], list[tuple[int, ...]]] = defaultdict(list)
    for name, (shape, dtype) in tensors.items():
        numbers = tuple(int(n) for n in re.findall(r"(?<=\.)\d+(?=\.)", name))
        pattern = re.sub(r"(?<=\.)\d+(?=\.)", "*", name)
        groups[pattern, tuple(shape), dtype].append(numbers)
    result: list[list[Any]] = []
    for (pattern, of_shape, dtype), group in groups.items():
        columns = [sorted(set(column)) for column in zip(*group, strict=True)]
        if prod(map(len, columns)) != len(group):
            raise ValueError(f"{pattern}: some combinations of its numbers are missing")
        stars = [
            len(column) if column == list(range(len(column))) else column for column in columns
        ]
        result.append([pattern, stars, list(of_shape), dtype])
    return result


def main() -> None:
    """Record all models, or with transformers 5 those that Bedrock's version does not have."""
    is_5 = importlib.import_module("transformers").__version__.startswith("5.")
    recorded = json.loads(RECORDING.read_text("utf-8")) if is_5 else {}
    for model in read_models():
        config = model["config"]
        if (config["model_type"] in ONLY_IN_5) != is_5:
            continue
        dtype = model.get("dtype") or DTYPES[config.get("torch_dtype", "bfloat16")]
        class_name = model.get("weights_class", config["architectures"][0])
        recorded[model["repo"]] = rows(as_stored(model, *build(config, class_name, dtype)))
    lines = []
    for repo, tensors in recorded.items():
        body = ",\n".join(f"  {json.dumps(row)}" for row in tensors)
        lines.append(f"{json.dumps(repo)}: [\n{body}\n]")
    RECORDING.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
