"""Reads tokenizer.json without its merges.

The merges are most of the file, and no check uses them. The current tokenizers library writes 17 MB
for Llama 3, of which the vocabulary ends after 3.3 MB.
"""

from __future__ import annotations

import codecs
import json
import re
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from model_import.preflight.weights import RangeReader

_STEP_BYTES: Final = 2 * 1024 * 1024
_STEPS_AT_MOST: Final = 4
# The 201,000 tokens of GPT-OSS end in the third step.
_TAIL_BYTES: Final = 16
_MERGES: Final = re.compile(r',\s*"merges"\s*:')
_PLACES_AT_MOST: Final = 4
# A token may contain the word too. With more of them than this, the whole file is read.


def read_without_merges(reader: RangeReader, size_bytes: int) -> bytes:
    """Return the file without the merges at its end, or the whole file without such merges.

    Of the part left out, only the last bytes are read, which show that the file is complete.
    """
    content = b""
    for _ in range(_STEPS_AT_MOST):
        step = min(_STEP_BYTES, size_bytes - len(content))
        content += reader.read(len(content), step)
        if len(content) == size_bytes:
            return content
        head = _head(content)
        if head is not None and _is_closed(reader, size_bytes):
            return head
    return content + reader.read(len(content), size_bytes - len(content))


def _head(content: bytes) -> bytes | None:
    """Return the JSON object without its merges, or None if the vocabulary is not complete."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(content)
    except UnicodeDecodeError:
        return None
    for merges in islice(_MERGES.finditer(text), _PLACES_AT_MOST):
        head = text[: merges.start()] + "}}"
        try:
            value = json.loads(head)
        except (ValueError, RecursionError):
            continue
        match value:
            case {"model": {"vocab": _}}:
                return head.encode()
    return None


def _is_closed(reader: RangeReader, size_bytes: int) -> bool:
    return reader.read(size_bytes - _TAIL_BYTES, _TAIL_BYTES).rstrip().endswith(b"}")
