"""The settings of a multimodal model's images, where Bedrock's transformers reads them.

transformers 5 writes them into processor_config.json; Bedrock's looks for preprocessor_config.json
and fails without it. Of the size in pixels it reads two names that 5 does not write any more, and
takes its defaults without them. Held by recordings of both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model_import.bedrock.transformers_version import TRANSFORMERS
from model_import.model_files.names import IMAGE_PROCESSOR, PROCESSOR

if TYPE_CHECKING:
    from model_import.normalisation.document import Document, StagedCopy

_SECTION: Final = "image_processor"
_OF_QWEN: Final = ("Qwen2VLImageProcessor", "Qwen2VLImageProcessorFast")
_PIXELS: Final = {"min_pixels": "shortest_edge", "max_pixels": "longest_edge"}


def normalise_processor(copy: StagedCopy) -> None:
    """Put the settings of images where Bedrock's transformers reads them."""
    settings = (copy.read(PROCESSOR) or {}).get(_SECTION)
    if isinstance(settings, dict):
        if IMAGE_PROCESSOR not in copy.files:
            copy.create(
                IMAGE_PROCESSOR,
                settings,
                f"{TRANSFORMERS} looks here for the settings of images, not in {PROCESSOR}.",
            )
        copy.edit(PROCESSOR, _leave_out_images)
    copy.edit(IMAGE_PROCESSOR, _name_pixels)


def _leave_out_images(document: Document) -> None:
    document.replace(
        _SECTION,
        {},
        f"{TRANSFORMERS} reads it from {IMAGE_PROCESSOR}, and fails when it is here as well.",
    )


def _name_pixels(document: Document) -> None:
    root, size = document.root, document.root.get("size")
    if root.get("image_processor_type") not in _OF_QWEN or not isinstance(size, dict):
        return
    for name, of_size in _PIXELS.items():
        if root.get(name) is None and type(size.get(of_size)) is int:
            document.put(
                name,
                size[of_size],
                f"{TRANSFORMERS} passes over size.{of_size} for this class, and takes its "
                f"default where there is no {name}.",
            )
