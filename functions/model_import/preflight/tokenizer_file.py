"""tokenizer.json as far as preflight needs it: all but the merges.

The merges are most of the file, and no finding depends on them. The tokenizer of Llama 3 has
17 MB as the tokenizers library writes it now, and its vocabulary ends after 3.3.
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
# 201,000 tokens of GPT-OSS end within the third.
_TAIL_BYTES: Final = 16
_MERGES: Final = re.compile(r',\s*"merges"\s*:')
_PLACES_AT_MOST: Final = 4
# The word may stand in a text too; whoever writes it there often has the whole file read.


def read_without_merges(reader: RangeReader, size_bytes: int) -> bytes:
    """Return the file less the merges at its end, or the whole file where none stand there.

    Of what is left out only the last bytes are read, which tell that the file was not cut.
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
    """Return the object that the file is without its merges, None when the vocabulary goes on."""
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
