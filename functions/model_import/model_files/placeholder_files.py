"""What lies where a file should be: a link or a pointer to it, which uploads leave behind."""

from __future__ import annotations

from typing import Final

STAND_IN_BYTES_AT_MOST: Final = 1024
# A Git LFS pointer has 130 or so, and the path in a symbolic link seldom more than 200.
_LFS_POINTER: Final = "version https://git-lfs"


def describe_stand_in(content: bytes) -> str | None:
    """Return what a short file of text is in place of the file, or None for anything else."""
    if not 0 < len(content) <= STAND_IN_BYTES_AT_MOST:
        return None
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    if text.startswith(_LFS_POINTER):
        return "it is a Git LFS pointer, uploaded in place of the file"
    if text.isprintable() and "/" in text and not set(text) & set(' "{}[]<>'):
        return f"it is a symbolic link to {text!r:.200}, and the Hub follows none"
    return None
