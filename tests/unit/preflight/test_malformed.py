"""Whatever is in a repository, preflight ends with a verdict that can be sent on.

FUZZ_SECONDS runs the property for that long with examples that no run has seen (`make fuzz`).
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from support.checkpoints.hostile_repository import hostile_snapshots
from support.fakes.fake_repository import COMMIT, FakeReaders

from model_import.preflight.judge import judge

if TYPE_CHECKING:
    from support.fakes.fake_repository import Files

    from model_import.sources.hub.snapshot import Snapshot

FUZZ_SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
BYTES_AT_MOST = 200_000
"""Of a Step Functions state: 256 KiB, with the plan beside the findings."""


def check_verdict(snapshot: Snapshot, files: Files) -> None:
    verdict = judge(snapshot, FakeReaders(files), "us-east-1")
    told = [asdict(finding) for finding in verdict.shown_findings()]
    sent = json.dumps([told, verdict.figures.to_dict()], ensure_ascii=False)
    assert len(sent.encode()) < BYTES_AT_MOST
    assert verdict.refusal("acme/tiny-llama", COMMIT).encode()
    for finding in verdict.findings:
        assert finding.code
        assert finding.where
        assert finding.found
        assert finding.remedy.endswith(".")


@settings(deadline=None, max_examples=75, suppress_health_check=[HealthCheck.too_slow])
@given(hostile_snapshots())
def test_any_repository_has_a_verdict(hostile: tuple[Snapshot, Files]) -> None:
    check_verdict(*hostile)


@pytest.mark.skipif(FUZZ_SECONDS == 0, reason="runs for FUZZ_SECONDS, which is not set")
def test_any_repository_has_a_verdict_for_as_long_as_is_asked() -> None:
    seen = 0

    @settings(
        deadline=None, max_examples=100, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(hostile_snapshots())
    def examine(hostile: tuple[Snapshot, Files]) -> None:
        nonlocal seen
        seen += 1
        check_verdict(*hostile)

    end = time.monotonic() + FUZZ_SECONDS
    while time.monotonic() < end:
        examine()
    assert seen
