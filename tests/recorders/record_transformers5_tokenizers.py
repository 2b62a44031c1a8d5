"""Records tokenizers as transformers 5 writes them, and how both versions tokenize with them.

Three steps fill data/transformers5_tokenizers.json, each in its own environment:

    PYTHONPATH=tests uv run --no-project --with transformers==5.23.0 \
        tests/recorders/record_transformers5_tokenizers.py write
    PYTHONPATH=functions:tests uv run tests/recorders/record_transformers5_tokenizers.py normalise
    PYTHONPATH=tests uv run --no-project --with sentencepiece --with transformers==$VERSION \
        tests/recorders/record_transformers5_tokenizers.py read

VERSION is what [transformers] in functions/model_import/bedrock/rules.toml states.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from recorders.recording_steps import folder_of, record, saved, staged

FILES = ("tokenizer_config.json", "tokenizer.json")
WORDS = {word: n for n, word in enumerate(("<unk>", "<s>", "</s>", "▁", "a", "b"))}
FRAMES = {
    "nothing around it": {"add_bos_token": False, "add_eos_token": False},
    "a beginning": {"add_bos_token": True, "add_eos_token": False},
    "a beginning and an end": {"add_bos_token": True, "add_eos_token": True},
}
CLASSES = ("LlamaTokenizer", "CodeLlamaTokenizer", "GPTNeoXTokenizer")


def write() -> dict[str, Any]:
    """Return the files of each class as transformers 5 writes them, and the ids of a text."""
    return {
        f"{name}, {frame}": written(name, settings)
        for name in CLASSES
        for frame, settings in FRAMES.items()
    }


def written(name: str, settings: dict[str, bool]) -> dict[str, Any]:
    transformers = import_module("transformers")
    tokens = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    tokenizer = getattr(transformers, name)(vocab=WORDS, merges=[], **tokens, **settings)
    return {"files": saved(tokenizer, FILES), "ids_in_5": tokenizer("ab")["input_ids"]}


def normalise_cases(cases: dict[str, Any]) -> None:
    """Add tokenizer_config.json as this project stages it."""
    for case in cases.values():
        case["staged"] = staged(case["files"])[FILES[0]]


def read(cases: dict[str, Any]) -> None:
    """Add the ids by Bedrock's transformers, from the original and from the staged files."""
    for case in cases.values():
        case["ids_in_4_as_written"] = ids(case["files"])
        case["ids_in_4"] = ids({**case["files"], FILES[0]: case["staged"]})


def ids(files: dict[str, Any]) -> list[int] | str:
    """Return the ids, or the name of the error that transformers raises."""
    with folder_of(files) as folder:
        auto = import_module("transformers").AutoTokenizer
        try:
            return list(auto.from_pretrained(folder)("ab")["input_ids"])
        except (AttributeError, ImportError, OSError, TypeError, ValueError) as error:
            return type(error).__name__


if __name__ == "__main__":
    record("transformers5_tokenizers.json", write=write, normalise=normalise_cases, read=read)
