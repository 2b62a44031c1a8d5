"""Whatever is wrong with a checkpoint of whichever family, preflight ends with a verdict.

FUZZ_SECONDS runs it for that long on numbers that no run has seen (`make fuzz`). A failure says
its number, and FUZZ_SEED has that one judged again.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
import time
from dataclasses import asdict

import pytest
from support.checkpoints.hostile_checkpoints import hostile_checkpoint
from support.fakes.fake_repository import COMMIT, FakeReaders, snapshot_of

from model_import.findings.catalogue import CATALOGUE
from model_import.preflight.judge import judge

FUZZ_SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
FUZZ_SEED = os.environ.get("FUZZ_SEED")


def check_verdict(seed: int) -> None:
    files = hostile_checkpoint(seed)
    try:
        verdict = judge(
            snapshot_of(files), FakeReaders(files), "us-east-1", normalising=seed % 4 != 0
        )
        json.dumps([asdict(f) for f in verdict.findings], ensure_ascii=False).encode()
        json.dumps(verdict.figures.to_dict(), ensure_ascii=False).encode()
        verdict.refusal("acme/tiny", COMMIT).encode()
        assert {finding.code for finding in verdict.findings} <= CATALOGUE.keys()
    except Exception as error:
        error.add_note(f"FUZZ_SEED={seed}")
        raise


@pytest.mark.parametrize("seed", [int(FUZZ_SEED)] if FUZZ_SEED else range(0, 200, 25))
def test_a_hostile_checkpoint_has_a_verdict(seed: int) -> None:
    for number in range(seed, seed + (1 if FUZZ_SEED else 25)):
        check_verdict(number)


@pytest.mark.skipif(FUZZ_SECONDS == 0, reason="runs for FUZZ_SECONDS, which is not set")
def test_hostile_checkpoints_have_verdicts_for_as_long_as_is_asked() -> None:
    end = time.monotonic() + FUZZ_SECONDS
    for seed in itertools.count(secrets.randbelow(2**48)):
        check_verdict(seed)
        if time.monotonic() > end:
            break


def test_a_number_makes_the_same_checkpoint_every_time() -> None:
    assert hostile_checkpoint(7) == hostile_checkpoint(7)
    assert hostile_checkpoint(7) != hostile_checkpoint(8)
