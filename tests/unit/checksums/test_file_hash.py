"""Hashes of files that arrive in parts and out of order."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from hypothesis import given, strategies as st

from model_import.checksums.crc64 import crc64, crc64_base64, joined_crc64
from model_import.checksums.file_hash import OrderedSha256, git_blob_id, sha256_hex


def note(hashed: list[int], index: int, _: str | None) -> None:
    hashed.append(index)


@given(
    st.lists(st.binary(max_size=20), max_size=8).flatmap(
        lambda parts: st.tuples(st.just(parts), st.permutations(range(len(parts))))
    )
)
def test_parts_in_any_order_give_the_hash_of_the_whole(
    case: tuple[list[bytes], list[int]],
) -> None:
    parts, order = case
    ordered = OrderedSha256()
    hashed: list[int] = []

    for index in order:
        ordered.add(index, memoryview(parts[index]), partial(note, hashed, index))

    assert ordered.hexdigest() == hashlib.sha256(b"".join(parts)).hexdigest()
    assert hashed == sorted(order)


def test_a_part_is_not_let_go_before_those_that_precede_it() -> None:
    ordered = OrderedSha256()
    hashed: list[int] = []

    ordered.add(1, memoryview(b"second"), partial(note, hashed, 1))
    assert hashed == []

    ordered.add(0, memoryview(b"first"), partial(note, hashed, 0))
    assert hashed == [0, 1]


def test_a_thread_that_brings_a_later_part_does_not_wait_for_the_one_that_hashes() -> None:
    ordered = OrderedSha256()
    begun, go_on = threading.Event(), threading.Event()
    hashed: list[int] = []

    def hold(_: str | None) -> None:
        begun.set()
        go_on.wait()

    with ThreadPoolExecutor() as threads:
        first = threads.submit(ordered.add, 0, memoryview(b"first"), hold)
        begun.wait()
        ordered.add(1, memoryview(b"second"), partial(note, hashed, 1))
        assert hashed == []
        go_on.set()
        first.result()

    assert hashed == [1]
    assert ordered.hexdigest() == sha256_hex(b"firstsecond")


def test_the_git_blob_id_is_what_git_says() -> None:
    # git hash-object --stdin
    assert git_blob_id(memoryview(b"")) == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert git_blob_id(memoryview(b"hello\n")) == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_the_crc_is_the_one_of_the_nvme_specification() -> None:
    assert crc64(b"123456789") == 0xAE8B14860A799888
    assert crc64_base64(crc64(b"123456789")) == "rosUhgp5mIg="


@given(st.lists(st.binary(max_size=50), max_size=8))
def test_crcs_of_parts_join_to_the_crc_of_the_whole(parts: list[bytes]) -> None:
    joined = joined_crc64((crc64(part), len(part)) for part in parts)

    assert joined == crc64(b"".join(parts))
