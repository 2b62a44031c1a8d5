"""Records tokenizers as transformers 5 writes them and how both versions cut a text with them.

Three steps fill data/transformers5_tokenizers.json, each with what it needs:

    uv run --no-project --with transformers==5.23.0 \
        tests/unit/record_transformers5_tokenizers.py write
    PYTHONPATH=functions uv run tests/unit/record_transformers5_tokenizers.py normalise
    uv run --no-project --with sentencepiece --with transformers==4.51.3 \
        tests/unit/record_transformers5_tokenizers.py read
"""

from __future__ import annotations

import json
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

RECORDING = Path(__file__).parent / "data" / "transformers5_tokenizers.json"
FILES = ("tokenizer_config.json", "tokenizer.json")
WORDS = {word: n for n, word in enumerate(("<unk>", "<s>", "</s>", "▁", "a", "b"))}
FRAMES = {
    "nothing around it": {"add_bos_token": False, "add_eos_token": False},
    "a beginning": {"add_bos_token": True, "add_eos_token": False},
    "a beginning and an end": {"add_bos_token": True, "add_eos_token": True},
}
CLASSES = ("LlamaTokenizer", "CodeLlamaTokenizer", "GPTNeoXTokenizer")


def write() -> dict[str, Any]:
    """Return each class's files as transformers 5 writes them, with how it cuts a text."""
    return {
        f"{name}, {frame}": written(name, settings)
        for name in CLASSES
        for frame, settings in FRAMES.items()
    }


def written(name: str, settings: dict[str, bool]) -> dict[str, Any]:
    transformers = import_module("transformers")
    tokens = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    tokenizer = getattr(transformers, name)(vocab=WORDS, merges=[], **tokens, **settings)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        files = {
            file: json.loads((Path(folder) / file).read_text(encoding="utf-8")) for file in FILES
        }
    return {"files": files, "ids_in_5": tokenizer("ab")["input_ids"]}


def normalise_cases(cases: dict[str, Any]) -> None:
    """Add what this project stages of tokenizer_config.json."""
    normalise = import_module("model_import.normalisation").normalise
    for case in cases.values():
        files = {name: json.dumps(content).encode() for name, content in case["files"].items()}
        case["staged"] = json.loads(normalise(files).files[FILES[0]])


def read(cases: dict[str, Any]) -> None:
    """Add how transformers 4.51.3 cuts it, from the original and from what is staged."""
    for case in cases.values():
        case["ids_in_4_as_written"] = ids(case["files"])
        case["ids_in_4"] = ids({**case["files"], FILES[0]: case["staged"]})


def ids(files: dict[str, Any]) -> list[int] | str:
    """Return the ids, or the name of the error that transformers raises."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_text(json.dumps(content), encoding="utf-8")
        auto = import_module("transformers").AutoTokenizer
        try:
            return list(auto.from_pretrained(folder)("ab")["input_ids"])
        except (AttributeError, ImportError, OSError, TypeError, ValueError) as error:
            return type(error).__name__


def main() -> None:
    step = sys.argv[1]
    cases = write() if step == "write" else json.loads(RECORDING.read_text(encoding="utf-8"))
    if step == "normalise":
        normalise_cases(cases)
    elif step == "read":
        read(cases)
    text = json.dumps(cases, indent=1, ensure_ascii=False)
    RECORDING.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
