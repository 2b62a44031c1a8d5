"""What the local engine counts in place of the clock's seconds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from support.waiting import HANG_SECONDS

from local.aws.moto_engine import _Heartbeats, _limit_seconds


def test_a_task_is_dead_after_so_many_looks_without_a_heartbeat_however_long_they_take() -> None:
    heartbeats = _Heartbeats(1)
    with ThreadPoolExecutor() as threads:
        for _ in range(19):
            heartbeats.poll()
        heartbeats.notify()
        assert threads.submit(heartbeats.clear_and_wait).result(HANG_SECONDS)

        waiting = threads.submit(heartbeats.clear_and_wait)
        for _ in range(19):
            heartbeats.poll()
        assert not waiting.done()
        heartbeats.poll()
        assert waiting.result(HANG_SECONDS) is False


@pytest.mark.parametrize(("seconds", "at_most"), [(60, 900), (99999999, 99999999)])
def test_a_call_may_take_as_long_as_a_busy_machine_takes(seconds: int, at_most: int) -> None:
    assert _limit_seconds(SimpleNamespace(timeout_seconds=seconds), None) == at_most
