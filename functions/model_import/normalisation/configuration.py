"""config.json: converts the form of transformers 5 to that of the version that Bedrock names.

That version silently uses its defaults for every value that it does not find under a name that it
knows. The edits follow from the configuration classes of that version and of 5.23.0; recordings of
both test them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from model_import.bedrock.transformers_version import TRANSFORMERS
from model_import.model_files.names import CONFIG

if TYPE_CHECKING:
    from model_import.normalisation.document import Document, JsonObject, StagedCopy

_TEXT: Final = "text_config"
_VISION: Final = "vision_config"

_FLAT_FAMILIES: Final = ("qwen2_vl", "qwen2_5_vl")
"""Families whose text model Bedrock's transformers configures at the top level of config.json."""

_SECTION_KEYS: Final = frozenset(
    {
        "_name_or_path",
        "architectures",
        "dtype",
        "model_type",
        "text_config",
        "torch_dtype",
        "transformers_version",
        "vision_config",
    }
)
"""Keys of text_config that describe the section, not the text model."""


def normalise_configuration(copy: StagedCopy) -> None:
    """Give config.json the names that Bedrock's transformers reads."""
    copy.edit(
        CONFIG,
        _flatten_text,
        _split_rope,
        _rename_dtype,
        _rename_experts,
        _add_max_window_layers,
        _untie_unscaled_embeddings,
    )


def _flatten_text(document: Document) -> None:
    root, text = document.root, document.root.get(_TEXT)
    if root.get("model_type") not in _FLAT_FAMILIES or not isinstance(text, dict):
        return
    lifted = {key: value for key, value in text.items() if key not in _SECTION_KEYS}
    if root.get("tie_word_embeddings") is True:
        # transformers 5 ties the embeddings if either place says so.
        lifted["tie_word_embeddings"] = True
    if dtype := _own_dtype(root, text):
        lifted["dtype"] = dtype
    document.replace(
        _TEXT,
        lifted,
        f"{TRANSFORMERS} configures the text model of this family at the top level. Instead of "
        "the values in text_config, it uses the defaults of the 72B model.",
    )


def _own_dtype(root: JsonObject, text: JsonObject) -> Any:  # noqa: ANN401 any JSON value
    if root.get("dtype") or root.get("torch_dtype"):
        return None
    return text.get("dtype") or text.get("torch_dtype")


def _split_rope(document: Document) -> None:
    for within in (None, _TEXT):
        section = _section(document, within)
        parameters = section.get("rope_parameters")
        # No family that Bedrock imports has parameters for each type of layer.
        if not isinstance(parameters, dict) or any(
            isinstance(v, dict) for v in parameters.values()
        ):
            continue
        legacy = {key: v for key, v in _legacy_rope(parameters).items() if key not in section}
        if not legacy:
            continue
        document.replace(
            "rope_parameters",
            legacy,
            f"{TRANSFORMERS} does not read rope_parameters. It would use its default "
            "rope_theta and no scaling.",
            within=within,
        )


def _legacy_rope(parameters: JsonObject) -> JsonObject:
    scaling = {key: value for key, value in parameters.items() if key != "rope_theta"}
    legacy: JsonObject = {}
    if "rope_theta" in parameters:
        legacy["rope_theta"] = parameters["rope_theta"]
    legacy["rope_scaling"] = None if scaling in ({}, {"rope_type": "default"}) else scaling
    return legacy


def _rename_dtype(document: Document) -> None:
    for within in (None, _TEXT, _VISION):
        section = _section(document, within)
        if "dtype" in section and "torch_dtype" not in section:
            document.replace(
                "dtype",
                {"torch_dtype": section["dtype"]},
                f"{TRANSFORMERS} reads torch_dtype, and uses float32 without it.",
                within=within,
                matters=False,
            )


def _rename_experts(document: Document) -> None:
    root = document.root
    if (
        root.get("model_type") == "qwen3_moe"
        and "num_local_experts" in root
        and "num_experts" not in root
    ):
        document.replace(
            "num_local_experts",
            {"num_experts": root["num_local_experts"]},
            f"{TRANSFORMERS} reads num_experts, and uses 128 without it.",
        )


def _add_max_window_layers(document: Document) -> None:
    root = document.root
    if (
        root.get("model_type") == "qwen3_moe"
        and root.get("use_sliding_window") is True
        and "max_window_layers" not in root
    ):
        document.put(
            "max_window_layers",
            0,
            "transformers 5 uses a sliding window in every layer of this family. "
            f"{TRANSFORMERS} uses none in the first 28 layers.",
        )


def _untie_unscaled_embeddings(document: Document) -> None:
    root = document.root
    if (
        root.get("model_type") == "t5"
        and root.get("scale_decoder_outputs") is False
        and root.get("tie_word_embeddings", True) is True
    ):
        document.put(
            "tie_word_embeddings",
            False,  # noqa: FBT003 the value of the key
            f"{TRANSFORMERS} does not read scale_decoder_outputs. It scales the decoder's output "
            "if the embeddings are tied, which transformers 5 writes for every T5.",
        )


def _section(document: Document, within: str | None) -> JsonObject:
    section = document.root if within is None else document.root.get(within)
    return section if isinstance(section, dict) else {}
