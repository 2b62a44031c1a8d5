"""Recognises placeholders that an upload left instead of a file: links and LFS pointers."""

from __future__ import annotations

from typing import Final

PLACEHOLDER_BYTES_AT_MOST: Final = 1024
# A Git LFS pointer has about 130, and the path in a symbolic link seldom more than 200.
_LFS_POINTER: Final = "version https://git-lfs"


def describe_placeholder(content: bytes) -> str | None:
    """Return which placeholder a file is, or None if it is not one."""
    if not 0 < len(content) <= PLACEHOLDER_BYTES_AT_MOST:
        return None
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    if text.startswith(_LFS_POINTER):
        return "it is a Git LFS pointer, uploaded instead of the file"
    if text.isprintable() and "/" in text and not set(text) & set(' "{}[]<>'):
        return f"it is a symbolic link to {text!r:.200}, which the Hub does not follow"
    return None
