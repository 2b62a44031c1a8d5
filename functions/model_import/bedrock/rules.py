"""The rules of Bedrock Custom Model Import, read from rules.toml."""

from __future__ import annotations

import functools
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

type Kind = Literal["decoder", "encoder-decoder", "multimodal"]


@dataclass(frozen=True, slots=True)
class Architecture:
    """A row of the user guide's list; Bedrock's error messages name the `model_type`."""

    name: str
    model_type: str
    classes: tuple[str, ...]
    kind: Kind
    context_length_stated: bool
    regions: tuple[str, ...]
    default_token_ids: dict[str, int]
    required_end_ids: tuple[int, ...]

    @property
    def multimodal(self) -> bool:
        """Return whether the model takes images in addition to text."""
        return self.kind == "multimodal"


@dataclass(frozen=True, slots=True)
class Quota:
    """An account quota of the service `bedrock` in one Region."""

    code: str
    name: str
    default: int
    adjustable: bool
    date: str


@dataclass(frozen=True, slots=True)
class BedrockRules:
    """The rules of the import; the byte limits are exclusive, the context limit is inclusive."""

    transformers_version: str
    regions: tuple[str, ...]
    text_bytes_below: int
    multimodal_bytes_below: int
    dtypes: tuple[str, ...]
    safetensors_formats: tuple[str, ...]
    context_tokens_at_most: int
    llama3_rope: dict[str, float]
    required_files: tuple[str, ...]
    copied_files: tuple[str, ...]
    tokenizer_classes: tuple[str, ...]
    uses: tuple[str, ...]
    imported_model_name: re.Pattern[str]
    name_characters_at_most: int
    weights_file: re.Pattern[str]
    weights_file_characters: int
    tag_text: re.Pattern[str]
    tag_key_characters: tuple[int, int]
    tag_value_characters: tuple[int, int]
    tags_at_most: int
    quotas: tuple[Quota, ...]
    architectures: tuple[Architecture, ...]

    def architecture(self, model_type: str) -> Architecture | None:
        """Return the row of a `model_type`, or None if Bedrock does not import it."""
        return next((row for row in self.architectures if row.model_type == model_type), None)

    def quota(self, code: str) -> Quota:
        """Return a quota by its Service Quotas code."""
        return next(quota for quota in self.quotas if quota.code == code)

    def weights_bytes_below(self, *, multimodal: bool) -> int:
        """Return the exclusive limit of the total size of the weights, in bytes."""
        return self.multimodal_bytes_below if multimodal else self.text_bytes_below


@functools.cache
def bedrock_rules() -> BedrockRules:
    """Return the rules; the file is read once."""
    text = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    return _from_dict(tomllib.loads(text))


def _from_dict(data: dict[str, Any]) -> BedrockRules:
    names = data["names"]
    regions = tuple(data["regions"]["accepted"])
    return BedrockRules(
        transformers_version=data["transformers"]["version"],
        regions=regions,
        text_bytes_below=data["weights"]["text_bytes_below"],
        multimodal_bytes_below=data["weights"]["multimodal_bytes_below"],
        dtypes=tuple(data["dtypes"]["accepted"]),
        safetensors_formats=tuple(data["safetensors"]["formats"]),
        context_tokens_at_most=data["context"]["tokens_at_most"],
        llama3_rope={
            name: value
            for name, value in data["llama3_rope"].items()
            if name not in ("source", "date")
        },
        required_files=tuple(data["files"]["required"]),
        copied_files=tuple(data["files"]["copied"]),
        tokenizer_classes=tuple(data["tokenizers"]["classes"]),
        uses=tuple(data["uses"]["accepted"]),
        imported_model_name=re.compile(names["imported_model"]),
        name_characters_at_most=names["characters_at_most"],
        weights_file=re.compile(names["weights_file"]),
        weights_file_characters=names["weights_file_characters"],
        # Without ASCII, \s matches the ideographic space, which Bedrock refuses.
        tag_text=re.compile(names["tag_text"], re.ASCII),
        tag_key_characters=tuple(names["tag_key_characters"]),
        tag_value_characters=tuple(names["tag_value_characters"]),
        tags_at_most=names["tags_at_most"],
        quotas=tuple(
            Quota(row["code"], row["name"], row["default"], row["adjustable"], str(row["date"]))
            for row in data["quotas"]
        ),
        architectures=tuple(
            Architecture(
                name=row["name"],
                model_type=row["model_type"],
                classes=tuple(row["classes"]),
                kind=row["kind"],
                context_length_stated=row.get("context_length_stated", True),
                regions=tuple(row.get("regions", regions)),
                default_token_ids=row.get("default_token_ids", {}),
                required_end_ids=tuple(row.get("required_end_ids", ())),
            )
            for row in data["architectures"]
        ),
    )
