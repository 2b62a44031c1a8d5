"""What the tokenizer's files say: its class, its vocabulary, its chat template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from model_import.bedrock_rules import bedrock_rules
from model_import.preflight.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from model_import.preflight.repository import ModelFiles
    from model_import.safetensors import Header

CONFIG: Final = "tokenizer_config.json"
VOCABULARY: Final = "tokenizer.json"
_TEMPLATES: Final = frozenset({"chat_template.jinja", "chat_template.json"})
# Where the families keep one row a token.
_EMBEDDINGS: Final = (
    "model.embed_tokens.weight",
    "language_model.model.embed_tokens.weight",
    "shared.weight",
    "transformer.wte.weight",
)


def check_tokenizer(
    files: ModelFiles, headers: dict[str, Header], read_json: Callable[[str], object]
) -> Iterator[Finding]:
    """Yield what is wrong with the tokenizer; a missing file has a finding of its own."""
    names = {file.path for file in files.metadata}
    config = read_json(CONFIG) if CONFIG in names else {}
    vocabulary = read_json(VOCABULARY) if VOCABULARY in names else {}
    if not isinstance(config, dict):
        yield _not_an_object(CONFIG)
        config = {}
    if not isinstance(vocabulary, dict):
        yield _not_an_object(VOCABULARY)
        vocabulary = {}
    yield from _check_class(config)
    yield from _check_vocabulary(vocabulary, headers)
    if CONFIG in names and not config.get("chat_template") and not names & _TEMPLATES:
        yield _without_template()


def _not_an_object(path: str) -> Finding:
    return Finding.of(
        "TOKENIZER_INVALID",
        path,
        found="It is not a JSON object",
        accepted="The file that save_pretrained writes.",
    )


def _check_class(config: dict[str, Any]) -> Iterator[Finding]:
    accepted = bedrock_rules().tokenizer_classes
    found = config.get("tokenizer_class")
    if found is not None and found not in accepted:
        yield Finding.of(
            "TOKENIZER_CLASS_UNSUPPORTED",
            f"{CONFIG}: tokenizer_class",
            found=f"The tokenizer is a {found}",
            accepted=f"Bedrock knows {', '.join(accepted)}.",
        )


def _check_vocabulary(vocabulary: dict[str, Any], headers: dict[str, Header]) -> Iterator[Finding]:
    rows = next(
        (
            tensor.shape[0]
            for header in headers.values()
            for tensor in header.tensors
            if tensor.name in _EMBEDDINGS and tensor.shape
        ),
        None,
    )
    highest = max(_token_ids(vocabulary), default=None)
    if rows is not None and highest is not None and highest >= rows:
        yield Finding.of(
            "VOCABULARY_TOO_LARGE",
            VOCABULARY,
            found=f"A token has the id {highest}, and the model's embedding has {rows} rows",
            accepted="A row of the embedding for each token.",
        )


def _token_ids(vocabulary: dict[str, Any]) -> Iterator[int]:
    model = vocabulary.get("model")
    words = model.get("vocab") if isinstance(model, dict) else None
    if isinstance(words, dict):
        yield from (number for number in words.values() if type(number) is int)
    elif isinstance(words, list):
        yield len(words) - 1
    added = vocabulary.get("added_tokens")
    for token in added if isinstance(added, list) else []:
        if isinstance(token, dict) and type(token.get("id")) is int:
            yield token["id"]


def _without_template() -> Finding:
    return Finding.of(
        "CHAT_TEMPLATE_MISSING",
        CONFIG,
        found="The repository has no chat template",
        accepted="Bedrock applies none of its own, and refuses chat messages and Converse.",
    )
