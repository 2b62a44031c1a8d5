"""Many deliveries of few releases, with faults after every side effect: each is imported once.

RELEASE_SEEDS runs that many other orders of it (`make soak-releases`).
"""

from __future__ import annotations

import json
import os
import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest
from support.worlds.hub_deliveries import deliver, payload, receiving, ref, repository, url_event

from model_import.request.naming import execution_name

if TYPE_CHECKING:
    from collections.abc import Callable

SEEDS: Final = int(os.environ.get("RELEASE_SEEDS", "1"))
RELEASES: Final = [
    (f"acme/model-{number % 40}", f"{number:040x}")  # several commits of one repository too
    for number in range(100)
]


class LambdaDiedError(Exception):
    """The function ended, or its answer was lost, after it had done something."""


class ExecutionAlreadyExistsError(Exception):
    """StartExecution was given a name that was used before, with another input or a closed end."""


@dataclass(slots=True)
class Faults:
    """Strikes at random, a given share of times."""

    random: random.Random
    share: float = 0.3
    struck: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def strike(self) -> None:
        """Raise, or not."""
        with self._lock:
            if self.random.random() >= self.share:
                return
            self.struck += 1
        raise LambdaDiedError


@dataclass(slots=True)
class StepFunctions:
    """StartExecution of a standard state machine, and which executions it has begun."""

    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    begun: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start_execution(self, name: str, given: dict[str, Any]) -> None:
        """Begin an execution, or return the one that runs under the name with the same input."""
        with self._lock:
            if name not in self.inputs:
                self.inputs[name] = given
                self.running.add(name)
                self.begun[name] += 1
            elif name not in self.running or self.inputs[name] != given:
                raise ExecutionAlreadyExistsError(name)

    def end_some(self, chance: random.Random) -> None:
        """End executions that run, as time would."""
        with self._lock:
            self.running = {name for name in self.running if chance.random() < 0.5}


@dataclass(slots=True)
class Bus:
    """EventBridge to the state machine of releases: at least once, in any order."""

    faults: Faults
    queued: list[dict[str, Any]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 – boto's
        """Take events, some of them twice; the answer may be lost after that."""
        with self._lock:
            for entry in Entries:
                copies = self.faults.random.choice([1, 1, 1, 2])
                self.queued += [json.loads(entry["Detail"])] * copies
        self.faults.strike()
        return {"FailedEntryCount": 0, "Entries": [{}] * len(Entries)}


def until_answered(act: Callable[[], object]) -> None:
    """Do again what ended without an answer, as the Hub and Step Functions do."""
    while True:
        try:
            act()
        except LambdaDiedError:
            continue
        return


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_thousand_deliveries_of_a_hundred_releases_make_a_hundred_executions(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 – no secret
    faults, executions = Faults(chance), StepFunctions()
    bus = Bus(faults)
    receiving(monkeypatch, bus)
    deliveries = RELEASES * 10
    chance.shuffle(deliveries)

    def post(release: tuple[str, str]) -> None:
        repo_id, commit = release
        body = payload(
            repo=repository(name=repo_id), updatedRefs=[ref("refs/heads/main", new=commit)]
        )
        event = url_event(json.dumps(body).encode())
        until_answered(lambda: deliver(event))

    def start(detail: dict[str, Any]) -> None:
        name = execution_name(detail["repo_id"], detail["revision"])
        try:
            executions.start_execution(name, detail)
        except ExecutionAlreadyExistsError:
            return  # the state machine ends as "known"
        faults.strike()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(post, deliveries))
        chance.shuffle(bus.queued)
        for batch in (bus.queued[::2], bus.queued[1::2]):
            list(pool.map(lambda detail: until_answered(lambda: start(detail)), batch))
            executions.end_some(chance)

    assert faults.struck > 100
    assert len(bus.queued) > 1000
    imported = {(given["repo_id"], given["revision"]) for given in executions.inputs.values()}
    assert imported == set(RELEASES)
    assert set(executions.begun.values()) == {1}
    assert len(executions.begun) == 100
