"""Transfers under random faults: no wrong object, no open upload, no secret in any output.

    SOAK_SEED=1 SOAK_FAULTS=1000 SOAK_KILLS=20 python tests/soak/fault_soak.py

The same seed draws the same faults; the order of the threads decides which request each one hits.
"""

from __future__ import annotations

import itertools
import logging
import math
import os
import random
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from soak.kill_soak import kill_tasks
from support.servers.s3_server import S3Fault, S3Server, s3_server
from support.worlds.loopback_transfer import CREDENTIALS, PREFIX, bytes_of, rig

from model_import import errors
from model_import.transfer.range_reads import Patience
from model_import_cli.folder_hub.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.worlds.loopback_transfer import Rig

    from model_import.transfer.progress import Progress

TOKEN: Final = "hf_made_up_token_of_the_soak"
FILES: Final = {
    "a.safetensors": bytes_of(20_500, seed=1),
    "b.safetensors": bytes_of(5_001, seed=2),
    "c.safetensors": bytes_of(700, seed=3),
    "d.safetensors": b"",
    "t.json": b"{}",
}
_CHANGED: Final = "b.safetensors"
_SECRETS: Final = (TOKEN, "Signature=", "X-Amz-Credential", CREDENTIALS["aws_secret_access_key"])
_TRIES_WITH_FAULTS: Final = 8
_TRIES_AT_MOST: Final = 12

FLIPPED: Final = "Hub: one flipped byte"
HUB_FAULTS: Final[dict[str, dict[str, Any]]] = {
    "Hub: 500": {"kind": "status", "status": 500},
    "Hub: 502": {"kind": "status", "status": 502},
    "Hub: 429 with RateLimit": {"kind": "status", "status": 429},
    "Hub: 403 expired": {"kind": "expire", "match": "GET /xet"},
    "Hub: reset mid-body": {"kind": "reset", "match": "GET", "after_bytes": 300},
    "Hub: short body": {"kind": "truncate", "match": "GET", "after_bytes": 300},
    FLIPPED: {"kind": "flip_byte", "skip": 0},
    "Hub: stall": {"kind": "stall", "match": "GET /xet", "after_bytes": 300},
    "Hub: 200 instead of 206": {"kind": "ignore_range", "match": "GET /xet"},
    "Hub: wrong Content-Range": {"kind": "wrong_content_range", "match": "GET /xet"},
    "Hub: body too long": {"kind": "overlong", "match": "GET /xet"},
}
S3_FAULTS: Final[dict[str, dict[str, Any]]] = {
    "S3: 500": {"kind": "refuse"},
    "S3: SlowDown": {"kind": "refuse", "status": 503, "code": "SlowDown"},
    "S3: reset": {"kind": "drop"},
    "S3: answer lost": {"kind": "lose_answer"},
    "S3: NoSuchUpload": {"kind": "vanish", "match": "UploadPart "},
    "S3: wrong ETag": {"kind": "wrong_etag", "match": "UploadPart "},
    "S3: clock skew": {"kind": "refuse", "status": 403, "code": "RequestTimeTooSkewed"},
    "S3: ExpiredToken": {"kind": "refuse", "status": 400, "code": "ExpiredToken"},
    "S3: hears nothing more (kill -9)": {"kind": "drop", "times": math.inf},
}
CHANGED: Final = "Hub: file changed mid-way"
OTHER_BYTES: Final = "Hub: same commit, other bytes"
SIGTERM: Final = "task: SIGTERM"


@dataclass
class Soak:
    """By name of the fault, the outcomes of the transfers that it struck."""

    seed: int
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    faults: int = 0
    transfers: int = 0

    def count(self, struck: Counter[str], outcome: str) -> None:
        """Count the faults of one transfer under how it ended."""
        self.transfers += 1
        for name, times in struck.items():
            self.outcomes.setdefault(name, Counter())[outcome] += times
            self.faults += times

    def table(self) -> str:
        """Return a line for each fault with its outcomes."""
        lines = [f"{'fault':34}{'struck':>7}  outcomes of the transfers that it struck"]
        for name, outcomes in sorted(self.outcomes.items()):
            counts = ", ".join(f"{outcome} {times}" for outcome, times in outcomes.most_common())
            lines.append(f"{name:34}{outcomes.total():>7}  {counts}")
        lines.append(f"{self.faults} faults in {self.transfers} transfers, seed {self.seed}")
        return "\n".join(lines)


def soak(seed: int, faults: int) -> Soak:
    """Strike this many faults; every scenario runs until all its files are complete and correct.

    Raises:
        AssertionError: an object was wrong, an upload stayed open, an output had a secret, or an
            error is not a named error of this project.
    """
    done = Soak(seed)
    scenario = 0
    while done.faults < faults:
        _run_scenario(random.Random(f"{seed}/{scenario}"), done)  # noqa: S311 no secret
        scenario += 1
    return done


def _run_scenario(dice: random.Random, done: Soak) -> None:
    with (
        s3_server() as s3,
        tempfile.TemporaryDirectory() as folder,
        rig(s3.url, Path(folder), FILES, s3_attempts=2, token=TOKEN) as transfer,
    ):
        try:
            for number in range(_TRIES_AT_MOST):
                names = _arm(dice, transfer, s3) if number < _TRIES_WITH_FAULTS else {}
                is_last = _try_once(dice, transfer, s3, done, names)
                if is_last:
                    break
            else:
                raise AssertionError("Without faults it did not come to an end")
        finally:
            s3.clear_faults()
        assert {path: transfer.stored(path) for path in FILES} == FILES
        assert s3.uploads == {}


def _arm(dice: random.Random, transfer: Rig, s3: S3Server) -> dict[object, str]:
    names: dict[object, str] = {}
    for name in dice.sample(list(HUB_FAULTS), dice.randrange(4)):
        hub_fault = Fault(
            **{
                "times": dice.choice([1, 1, 2, 5]),
                "skip": dice.randrange(20),
                "reset_seconds": 1,
                **HUB_FAULTS[name],
                **(_flipped_byte(dice) if name == FLIPPED else {}),
            }
        )
        transfer.hub.faults.add(hub_fault)
        names[hub_fault] = name
    for name in dice.sample(list(S3_FAULTS), dice.randrange(4)):
        times = dice.choice([1, 1, 2, 4])
        s3_fault = S3Fault(**{"times": times, "skip": dice.randrange(50), **S3_FAULTS[name]})
        s3.add(s3_fault)
        names[s3_fault] = name
    return names


def _flipped_byte(dice: random.Random) -> dict[str, Any]:
    path = dice.choice([path for path, content in FILES.items() if content])
    served = path if path.endswith(".json") else f"/xet.*{path}"
    return {"match": f"GET .*{served}", "offset": dice.randrange(len(FILES[path]))}


def _try_once(
    dice: random.Random, transfer: Rig, s3: S3Server, done: Soak, names: dict[object, str]
) -> bool:
    """Run one transfer and return whether it succeeded."""
    struck: Counter[str] = Counter()
    interrupted_at = dice.randrange(12) if names and dice.random() < 0.25 else None
    changes = bool(names) and dice.random() < 0.1
    changes_at = dice.randrange(6) if names and not changes and dice.random() < 0.2 else None
    outcome = "succeeded"
    # Without faults, a transfer must not give up, however slow the machine is.
    impatient: dict[str, Any] = {
        "read_timeout_seconds": 0.3,
        "patience": Patience(dice.choice([0.05, 5]), dice.choice([0.01, 5])),
    }
    with (
        _changed_file(transfer, struck, is_changed=changes),
        _other_bytes(transfer, struck) as serve_other_bytes,
        _log_records() as records,
    ):
        try:
            report = transfer.transfer(
                on_progress=_at_reports(
                    (changes_at, serve_other_bytes), (interrupted_at, _interrupting(struck))
                ),
                connections=dice.choice([1, 2, 4, 8]),
                connections_at_start=dice.choice([1, 4]),
                spare_buffers=dice.choice([0, 2, 4]),
                attempts=dice.choice([1, 3]),
                progress_seconds=0.005,
                **(impatient if names else {}),
            )
            output = str(report.to_dict())
        except errors.ModelImportError as error:
            outcome = type(error).__name__
            assert hasattr(errors, outcome)
            output = "".join(traceback.format_exception(error))
            if not isinstance(error, errors.TRANSIENT):
                _check_nothing_is_open(s3, error)
    output += "".join(records)
    assert not any(secret in output for secret in _SECRETS), output
    for path, content in FILES.items():
        stored = s3.objects.get(PREFIX + path)
        assert stored is None or stored.content == content, f"{path} is wrong"
    _take_struck(transfer, s3, names, struck)
    done.count(struck, outcome)
    return outcome == "succeeded"


def _check_nothing_is_open(s3: S3Server, error: BaseException) -> None:
    is_reported = any("still open" in note for note in getattr(error, "__notes__", ()))
    assert s3.uploads == {} or is_reported, (
        f"{error!r} left {[upload.key for upload in s3.uploads.values()]}"
    )


def _at_reports(*strikes: tuple[int | None, Callable[[], None]]) -> Callable[[Progress], None]:
    """Return an `on_progress` that calls each strike at its report, counted from 0."""
    numbers = itertools.count()

    def look(_: Progress) -> None:
        number = next(numbers)
        for at, strike in strikes:
            if at == number:
                strike()

    return look


def _interrupting(struck: Counter[str]) -> Callable[[], None]:
    def interrupt() -> None:
        struck[SIGTERM] += 1
        raise errors.TransferInterruptedError("SIGTERM")

    return interrupt


@contextmanager
def _changed_file(transfer: Rig, struck: Counter[str], *, is_changed: bool) -> Iterator[None]:
    """Change the bytes of a file on the Hub, but not its length; this changes the commit."""
    folder = transfer.folder
    if is_changed:
        struck[CHANGED] += 1
        (folder / _CHANGED).write_bytes(bytes_of(len(FILES[_CHANGED]), seed=9))
    try:
        yield
    finally:
        if is_changed:
            (folder / _CHANGED).write_bytes(FILES[_CHANGED])


@contextmanager
def _other_bytes(transfer: Rig, struck: Counter[str]) -> Iterator[Callable[[], None]]:
    """Yield a function that makes the Hub serve other bytes for a file of the same commit.

    The length stays the same. The location expires soon, and the Hub announces the other hash when
    the file is resolved again.
    """
    of_commit = f"refs/heads/{transfer.source.commit}"

    def serve() -> None:
        struck[OTHER_BYTES] += 1
        folder = transfer.folder.parent / "other-bytes"
        shutil.copytree(transfer.folder, folder, dirs_exist_ok=True)
        (folder / _CHANGED).write_bytes(bytes_of(len(FILES[_CHANGED]), seed=9))
        transfer.refs[of_commit] = folder
        transfer.hub.faults.add(Fault("expire", match=f"GET /xet.*{_CHANGED}"))

    try:
        yield serve
    finally:
        transfer.refs.pop(of_commit, None)


@contextmanager
def _log_records() -> Iterator[list[str]]:
    records: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record.getMessage())

    handler = Keeping(logging.INFO)
    logging.getLogger().addHandler(handler)
    try:
        yield records
    finally:
        logging.getLogger().removeHandler(handler)


def _take_struck(
    transfer: Rig, s3: S3Server, names: dict[object, str], struck: Counter[str]
) -> None:
    transfer.hub.faults.clear()
    s3.clear_faults()
    struck.update(names[fault] for fault in transfer.hub.faults.take_struck() if fault in names)
    dropped_for_good: set[str] = set()
    for fault in s3.struck:
        name = names[fault]
        if fault.times == math.inf and name in dropped_for_good:
            continue  # one kill, however many requests it drops
        dropped_for_good.add(name)
        struck[name] += 1
    s3.struck.clear()
    transfer.hub.faults.release()


if __name__ == "__main__":
    seed = int(os.environ.get("SOAK_SEED") or random.randrange(10**6))  # noqa: S311 no secret
    sys.stdout.write(f"SOAK_SEED={seed}\n")
    sys.stdout.flush()
    outcome = soak(seed, int(os.environ.get("SOAK_FAULTS") or 1000))
    sys.stdout.write(outcome.table() + "\n")
    sys.stdout.flush()
    killed = kill_tasks(seed, int(os.environ.get("SOAK_KILLS") or 20))
    sys.stdout.write(f"{killed.table()}, seed {seed}\n")
