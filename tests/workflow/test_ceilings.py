"""What the state machine gives up on, with every ceiling at zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.worlds.workflow_world import CREATE_JOB, World, bedrock_settings, world

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    parameters = {
        "ImportCeilingSeconds": "0",
        "ImportSlotCeilingSeconds": "0",
        "TransferHeartbeatSeconds": "1",
    }
    with world(tmp_path_factory.mktemp("hub"), parameters) as made:
        yield made


def test_an_import_beyond_its_ceiling_says_that_the_job_continues(impatient: World) -> None:
    impatient.reset()
    impatient.aws.start_bedrock(bedrock_settings(polls=50))

    outcome = impatient.run()

    assert outcome.error == "ImportTimedOutError"
    assert "it continues" in str(outcome.cause)


def test_a_slot_that_stays_taken_says_who_to_ask(impatient: World) -> None:
    impatient.reset()
    message = "Concurrent model import jobs: the limit is 1."
    impatient.fail(CREATE_JOB, "ServiceQuotaExceededException", message)

    outcome = impatient.run()

    assert outcome.error == "ImportSlotUnavailableError"
    assert "list-model-import-jobs" in str(outcome.cause)


def test_a_transfer_task_without_a_heartbeat_counts_as_dead_and_runs_again(
    impatient: World,
) -> None:
    impatient.reset()
    impatient.tasks.ends = [None]

    outcome = impatient.run()

    assert impatient.tasks.runs == 2
    assert "Verify Transfer" in outcome.states
