"""SHA-256 with a state that can be saved and resumed, which hashlib does not offer.

It calls the functions of OpenSSL: the same code as hashlib, at the same speed, and without the
interpreter's lock. If they are not available, hashlib hashes, and there is no state to save.
"""

from __future__ import annotations

import _hashlib
import ctypes
import functools
import hashlib
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Buffer

_LAYOUT: Final = struct.Struct("=8I2I64s2I")
"""SHA256_CTX: eight words, the length in bits (low, high), a block, its fill, the digest's length.

https://github.com/openssl/openssl/blob/openssl-3.5/include/openssl/sha.h, 2026-11-24, unchanged
since 0.9.8; `_library` tests it before use.
"""
_DIGEST_BYTES: Final = 32


class Sha256(Protocol):
    """A hash that takes bytes step by step."""

    def update(self, data: memoryview) -> None:
        """Hash more bytes."""

    def hexdigest(self) -> str:
        """Return the hash of the bytes so far."""

    def state(self) -> str | None:
        """Return the state from which `sha256` can resume, as text, or None if there is none."""


def sha256(state: str | None = None) -> Sha256:
    """Return a new hash, or one that resumes from a saved state.

    Raises:
        ValueError: it is not such a state, or hashes cannot be resumed on this platform.
    """
    library = _library()
    if library is not None:
        return _OpensslSha256(library) if state is None else _OpensslSha256.resumed(library, state)
    if state is not None:
        raise ValueError("This build of OpenSSL cannot resume a hash from a saved state")
    return _HashlibSha256()


class _OpensslSha256:
    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self._context = ctypes.create_string_buffer(_LAYOUT.size)
        library.SHA256_Init(self._context)

    @classmethod
    def resumed(cls, library: ctypes.CDLL, state: str) -> Self:
        words = _LAYOUT.unpack(bytes.fromhex(state)) if len(state) == 2 * _LAYOUT.size else ()
        if not words or words[-2] != words[8] // 8 % 64 or words[-1] != _DIGEST_BYTES:
            raise ValueError("This is not the state of a SHA-256")
        resumed = cls(library)
        resumed._context.raw = bytes.fromhex(state)
        return resumed

    def update(self, data: memoryview) -> None:
        if data.nbytes:
            array = ctypes.c_char * data.nbytes
            bytes_ = array.from_buffer_copy(data) if data.readonly else array.from_buffer(data)
            self._library.SHA256_Update(self._context, bytes_, ctypes.c_size_t(data.nbytes))

    def hexdigest(self) -> str:
        # SHA256_Final destroys the state.
        context = ctypes.create_string_buffer(self._context.raw, _LAYOUT.size)
        digest = ctypes.create_string_buffer(_DIGEST_BYTES)
        self._library.SHA256_Final(digest, context)
        return digest.raw.hex()

    def state(self) -> str:
        return self._context.raw.hex()


class _HashlibSha256:
    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()

    def update(self, data: Buffer) -> None:
        self._sha256.update(data)

    def hexdigest(self) -> str:
        return self._sha256.hexdigest()

    def state(self) -> None:
        return None


@functools.cache
def _library() -> ctypes.CDLL | None:
    """Return OpenSSL, if it has the functions and they work as expected."""
    # The library that hashlib is linked with, or else the system's.
    for name in (getattr(_hashlib, "__file__", None), "libcrypto.so.3"):
        with suppress(OSError, AttributeError):
            library = ctypes.CDLL(name)
            if _is_as_expected(library):
                return library
    return None


def _is_as_expected(library: ctypes.CDLL) -> bool:
    content = memoryview(bytes(range(200)))
    first = _OpensslSha256(library)
    first.update(content[:150])
    try:
        second = _OpensslSha256.resumed(library, first.state())
    except ValueError:
        return False
    second.update(content[150:])
    return second.hexdigest() == hashlib.sha256(content).hexdigest()
