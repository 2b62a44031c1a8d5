"""Trying again, without waiting for real."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, strategies as st

from model_import.transport.retries import Retries, TransientError, backoff_seconds


def never(seconds: float) -> None:
    pytest.fail(f"waited {seconds} s")


@given(st.integers(1, 100))
def test_the_wait_is_at_most_twice_the_one_before_and_never_above_the_cap(attempt: int) -> None:
    assert 0 <= backoff_seconds(attempt) <= min(30, 0.5 * 2**attempt)


def test_waits_are_as_long_as_the_server_asks() -> None:
    waits: list[float] = []
    failures = iter([TransientError("429", wait_seconds=7), TransientError("500")])

    def try_once() -> str:
        for failure in failures:
            raise failure
        return "done"

    assert Retries(3, threading.Event(), waits.append).call(try_once) == "done"
    assert waits[0] == 7
    assert len(waits) == 2


def test_the_last_failure_is_raised_when_the_attempts_are_used_up() -> None:
    waits: list[float] = []
    count = 0

    def try_once() -> None:
        nonlocal count
        count += 1
        raise TransientError(f"failure {count}")

    with pytest.raises(TransientError, match="failure 3"):
        Retries(3, threading.Event(), waits.append).call(try_once)
    assert len(waits) == 2


def test_nothing_is_tried_again_once_it_is_stopped() -> None:
    stopped = threading.Event()

    def try_once() -> None:
        stopped.set()
        raise TransientError("500")

    with pytest.raises(TransientError):
        Retries(3, stopped, never).call(try_once)


def test_an_error_of_another_kind_is_not_tried_again() -> None:
    def try_once() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        Retries(3, threading.Event(), never).call(try_once)


def test_no_wait_begins_that_would_end_beyond_the_patience() -> None:
    now = [0.0]
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    def try_once() -> None:
        raise TransientError("429", wait_seconds=40)

    retries = Retries(9, threading.Event(), sleep, patience_seconds=100, clock=lambda: now[0])
    with pytest.raises(TransientError) as raised:
        retries.call(try_once)

    assert waits == [40, 40]
    assert raised.value.attempts_text == "3 times in a row"


def test_every_failure_is_told_and_a_wait_can_be_woken() -> None:
    told: list[TransientError] = []
    woken = threading.Event()
    woken.set()
    failures = iter([TransientError("429", wait_seconds=60)])

    def try_once() -> str:
        for failure in failures:
            raise failure
        return "done"

    assert Retries(3, threading.Event()).call(try_once, told.append, wake=woken) == "done"
    assert [failure.wait_seconds for failure in told] == [60]
