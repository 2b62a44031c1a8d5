"""Several transfer tasks for one model: each of its size, each retried on its own."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from support.worlds.workflow_world import World, slice_number, world

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def spread(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    # One local AWS a process: what differs from the default differs for all tests here.
    parameters = {
        "TransferSliceBytes": "50000",
        "TransferTasks": "3",
        "TransferCapacity": "FARGATE_SPOT",
    }
    with world(tmp_path_factory.mktemp("hub"), parameters) as made:
        yield made


@pytest.fixture
def here(spread: World) -> World:
    spread.reset()
    return spread


def started(here: World) -> Counter[int]:
    """Return how many tasks were started for each slice."""
    return Counter(slice_number(request) for request in here.tasks.requests)


def providers(here: World, slice_: int) -> list[str]:
    return [
        request["capacityProviderStrategy"][0]["capacityProvider"]
        for request in here.tasks.requests
        if slice_number(request) == slice_
    ]


def test_each_slice_has_a_task_of_a_size_and_connections_for_it(here: World) -> None:
    outcome = here.run()

    assert outcome.status == "SUCCEEDED", outcome.cause
    assert started(here) == {0: 1, 1: 1, 2: 1}
    for request in here.tasks.requests:
        overrides: dict[str, Any] = request["overrides"]
        assert (overrides["cpu"], overrides["memory"]) == ("1024", "2048")
        environment = overrides["containerOverrides"][0]["environment"]
        assert {"name": "TRANSFER_CONNECTIONS", "value": "16"} in environment


@pytest.mark.parametrize("end", ["TransferInterruptedError", 137])
def test_a_slice_that_fails_runs_again_and_the_others_do_not(here: World, end: str | int) -> None:
    here.tasks.ends_of_slice = {1: [end, end]}

    outcome = here.run()

    assert outcome.status == "SUCCEEDED", outcome.cause
    assert started(here) == {0: 1, 1: 3, 2: 1}


def test_a_slice_that_fails_for_good_ends_the_execution_by_its_name(here: World) -> None:
    here.tasks.ends_of_slice = {2: ["ChecksumMismatchError"]}

    outcome = here.run()

    assert (outcome.error, outcome.cause) == ("ChecksumMismatchError", "made to fail")
    assert started(here)[2] == 1


def test_spot_tasks_that_are_taken_back_again_and_again_end_on_demand(here: World) -> None:
    here.tasks.ends_of_slice = {0: ["TransferInterruptedError"] * 4}

    outcome = here.run()

    assert outcome.status == "SUCCEEDED", outcome.cause
    assert providers(here, 0) == ["FARGATE_SPOT"] * 3 + ["FARGATE"] * 2
    assert providers(here, 1) == ["FARGATE_SPOT"]
