"""Records settings of images as transformers 5 writes them, and how both versions read them.

Three steps fill data/transformers5_processors.json, each in its own environment:

    PYTHONPATH=tests uv run --no-project --with torch --with torchvision \
        --with transformers==5.23.0 tests/recorders/record_transformers5_processors.py write
    PYTHONPATH=functions:tests uv run tests/recorders/record_transformers5_processors.py normalise
    PYTHONPATH=tests uv run --no-project --with torch --with pillow \
        --with transformers==$VERSION tests/recorders/record_transformers5_processors.py read

VERSION is what [transformers] in functions/model_import/bedrock/rules.toml states.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

from recorders.recording_steps import folder_of, record, saved, staged

PROCESSOR, IMAGES = "processor_config.json", "preprocessor_config.json"
NAMES = ("image_mean", "image_std", "resample", "rescale_factor", "do_resize", "do_normalize")
OF_FAMILY = {
    "mllama": (*NAMES, "size", "max_image_tiles"),
    "qwen2_vl": (*NAMES, "pixels", "patch_size", "temporal_patch_size", "merge_size"),
}
OF_FAMILY["qwen2_5_vl"] = OF_FAMILY["qwen2_vl"]
PIXELS = {"shortest_edge": 12544, "longest_edge": 200704}
TOKENS = ("<|image|>", "<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>")


def write() -> dict[str, Any]:
    """Return the files of each family's processor as transformers 5 writes them."""
    transformers = import_module("transformers")
    images = transformers.Qwen2VLImageProcessor(size=dict(PIXELS), image_mean=[0.4, 0.5, 0.6])
    videos = transformers.Qwen2VLVideoProcessor()
    tiles = transformers.MllamaImageProcessor(size={"height": 448, "width": 448}, max_image_tiles=2)
    return {
        "mllama": written(transformers.MllamaProcessor(tiles, tokenizer()), "mllama"),
        "qwen2_vl": written(transformers.Qwen2VLProcessor(images, tokenizer(), videos), "qwen2_vl"),
        "qwen2_5_vl": written(
            transformers.Qwen2_5_VLProcessor(images, tokenizer(), videos), "qwen2_5_vl"
        ),
        "qwen2_vl, the images alone": written(images, "qwen2_vl"),
    }


def tokenizer() -> Any:  # noqa: ANN401 a class of transformers 5
    models = import_module("tokenizers").models
    vocabulary = {word: number for number, word in enumerate(("<unk>", *TOKENS))}
    words = import_module("tokenizers").Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    return import_module("transformers").PreTrainedTokenizerFast(
        tokenizer_object=words, extra_special_tokens=list(TOKENS)
    )


def written(processor: Any, family: str) -> dict[str, Any]:  # noqa: ANN401 a class of transformers
    images = getattr(processor, "image_processor", processor)
    return {
        "family": family,
        "files": saved(processor, (PROCESSOR, IMAGES)),
        "effective_in_5": effective(images, family),
    }


def normalise_cases(cases: dict[str, Any]) -> None:
    """Add the files that this project stages."""
    for case in cases.values():
        case["staged"] = staged(case["files"])


def read(cases: dict[str, Any]) -> None:
    """Add what Bedrock's transformers reads, from the original and from the staged files."""
    for case in cases.values():
        case["in_4_as_written"] = read_files(case["files"], case["family"])
        case["effective_in_4"] = read_files(case["staged"], case["family"])


def read_files(files: dict[str, Any], family: str) -> dict[str, Any] | str:
    """Return the settings, or the name of the error that transformers raises."""
    with folder_of(files) as folder:
        auto = import_module("transformers").AutoImageProcessor
        try:
            return effective(auto.from_pretrained(folder), family)
        except (OSError, TypeError, ValueError) as error:
            return type(error).__name__


def effective(images: Any, family: str) -> dict[str, Any]:  # noqa: ANN401 a class of transformers
    size = {name: value for name, value in dict(images.size).items() if value is not None}
    values = {"size": size, "pixels": [size.get(name) for name in PIXELS]}
    return {
        name: values[name] if name in values else plain(getattr(images, name))
        for name in OF_FAMILY[family]
    }


def plain(value: Any) -> Any:  # noqa: ANN401 any value of a setting
    """Return the value as JSON: ways of resampling are enums of numbers."""
    return json.loads(json.dumps(value))


if __name__ == "__main__":
    record("transformers5_processors.json", write=write, normalise=normalise_cases, read=read)
