"""preprocessor_config.json: moves the image settings to where Bedrock's transformers reads them.

transformers 5 writes them into processor_config.json. Bedrock's version reads
preprocessor_config.json, and fails without it. It reads the size in pixels under two names that
version 5 no longer writes, and uses its defaults without them. Recordings of both test this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model_import.bedrock.transformers_version import TRANSFORMERS
from model_import.model_files.names import IMAGE_PROCESSOR, PROCESSOR

if TYPE_CHECKING:
    from model_import.normalisation.document import Document, StagedCopy

_SECTION: Final = "image_processor"
_QWEN_CLASSES: Final = ("Qwen2VLImageProcessor", "Qwen2VLImageProcessorFast")
_PIXELS: Final = {"min_pixels": "shortest_edge", "max_pixels": "longest_edge"}


def normalise_processor(copy: StagedCopy) -> None:
    """Put the image settings where Bedrock's transformers reads them."""
    settings = (copy.read(PROCESSOR) or {}).get(_SECTION)
    if isinstance(settings, dict):
        if IMAGE_PROCESSOR not in copy.files:
            copy.create(
                IMAGE_PROCESSOR,
                settings,
                f"{TRANSFORMERS} reads the image settings here, not in {PROCESSOR}.",
            )
        copy.edit(PROCESSOR, _remove_image_settings)
    copy.edit(IMAGE_PROCESSOR, _add_pixel_limits)


def _remove_image_settings(document: Document) -> None:
    document.replace(
        _SECTION,
        {},
        f"{TRANSFORMERS} reads it in {IMAGE_PROCESSOR}, and fails if it is here too.",
    )


def _add_pixel_limits(document: Document) -> None:
    root, size = document.root, document.root.get("size")
    if root.get("image_processor_type") not in _QWEN_CLASSES or not isinstance(size, dict):
        return
    for name, of_size in _PIXELS.items():
        if root.get(name) is None and type(size.get(of_size)) is int:
            document.put(
                name,
                size[of_size],
                f"{TRANSFORMERS} ignores size.{of_size} for this class, and uses its default "
                f"without {name}.",
            )
