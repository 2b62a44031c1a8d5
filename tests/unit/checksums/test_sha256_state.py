"""SHA-256 that is interrupted and resumed."""

from __future__ import annotations

import hashlib
import os

import pytest
from hypothesis import given, strategies as st

from model_import.checksums import sha256_state
from model_import.checksums.sha256_state import sha256


@given(st.binary(max_size=300), st.integers(0, 300))
def test_a_hash_goes_on_from_its_state_at_any_byte(content: bytes, cut: int) -> None:
    first = sha256()
    first.update(memoryview(content)[:cut])
    state = first.state()
    assert state is not None
    assert first.hexdigest() == hashlib.sha256(content[:cut]).hexdigest()

    second = sha256(state)
    second.update(memoryview(content)[cut:])

    assert second.hexdigest() == hashlib.sha256(content).hexdigest()


def test_buffers_that_may_be_written_are_hashed_where_they_lie() -> None:
    content = bytearray(os.urandom(1000))
    hashed = sha256()

    hashed.update(memoryview(content)[100:900])

    assert hashed.hexdigest() == hashlib.sha256(content[100:900]).hexdigest()
    content.extend(b"no export of the buffer is left")


@pytest.mark.parametrize("state", ["", "00", "zz" * 112, "00" * 112, "00" * 111 + "xx"])
def test_what_is_no_state_is_refused(state: str) -> None:
    with pytest.raises(ValueError, match=r"not the state|hexadecimal"):
        sha256(state)


def test_without_openssl_hashlib_hashes_and_has_no_state(monkeypatch: pytest.MonkeyPatch) -> None:
    state = sha256().state()
    monkeypatch.setattr(sha256_state, "_library", lambda: None)
    hashed = sha256()
    hashed.update(memoryview(b"abc"))

    assert hashed.state() is None
    assert hashed.hexdigest() == hashlib.sha256(b"abc").hexdigest()
    with pytest.raises(ValueError, match="cannot resume a hash"):
        sha256(state)


def test_a_library_that_does_something_else_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashlib, "sha256", hashlib.sha224)

    assert sha256_state._library.__wrapped__() is None
