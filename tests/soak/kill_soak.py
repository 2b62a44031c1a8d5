"""Transfer programs that are killed at random moments; another program resumes each transfer.

The moment does not depend on the clock: the Hub holds back the rest of a range, or S3 holds back an
answer, and then the program is killed.
"""

from __future__ import annotations

import json
import random
import signal
import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from support.servers.s3_server import S3Fault, s3_server
from support.servers.scripted_server import Answer, scripted_server
from support.waiting import wait_until
from support.worlds.loopback_transfer import PREFIX, bytes_of
from support.worlds.transfer_task import PART_BYTES, TASK_TOKEN, task_of

from model_import_cli.folder_hub.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from support.servers.s3_server import S3Server
    from support.worlds.transfer_task import Task

_HUB_TOKEN: Final = "hf_made_up_token_of_the_kills"
_SECRETS: Final = (_HUB_TOKEN, TASK_TOKEN, "Signature=", "X-Amz-Credential")
_CONNECTIONS: Final = 2
_PARTS_IN_FLIGHT: Final = _CONNECTIONS + 8
_SIGNALS: Final = (signal.SIGKILL, signal.SIGTERM)
_S3_MOMENTS: Final = {
    "HeadObject": 3,
    "ListMultipartUploads": 2,
    "CreateMultipartUpload": 2,
    "UploadPart ": 9,
    "PutObject checkpoints": 4,
    "CompleteMultipartUpload": 2,
}
"""Operations during which S3 can be held, and how many of each there are at least."""


@dataclass
class Kills:
    """How many programs were killed, by signal and moment."""

    struck: Counter[str] = field(default_factory=Counter)
    moved_twice: int = 0
    """The most parts that were moved twice after any kill."""

    def table(self) -> str:
        """Return a line for each kind of kill."""
        lines = [f"{name:44}{times:>4}" for name, times in sorted(self.struck.items())]
        lines.append(
            f"{self.struck.total()} programs to kill, at most {self.moved_twice} of "
            f"{_PARTS_IN_FLIGHT} parts in flight moved twice"
        )
        return "\n".join(lines)


@cache
def files() -> Mapping[str, bytes]:
    """Return the files to move: two in parts, and one in a single request."""
    return {
        "a.safetensors": bytes_of(20 * PART_BYTES + 1000, seed=1),
        "b.safetensors": bytes_of(2 * PART_BYTES + 7, seed=2),
        "t.json": b"{}",
    }


def kill_tasks(seed: int, kills: int) -> Kills:
    """Kill this many programs, and have others finish their transfers.

    Raises:
        AssertionError: an object was wrong, an upload stayed open, an output had a secret, or more
            parts were moved twice than were in flight.
    """
    done = Kills()
    for number in range(kills):
        dice = random.Random(f"{seed}/{number}")  # noqa: S311 no secret
        # Alternate, so that even a few kills use both signals.
        _kill_one(dice, _SIGNALS[(seed + number) % len(_SIGNALS)], done)
    return done


def _kill_one(dice: random.Random, number: signal.Signals, done: Kills) -> None:
    with s3_server() as s3, _task(s3) as (task, environ):
        moment = _hold_back(dice, task, s3)
        with task.start(environ) as process:
            wait_until(lambda: _is_held(task, s3) or process.poll() is not None)
            code, *output = task.end(process, number)
        done.struck[f"{number.name} {moment}" if code else "none, it was done before"] += 1
        _check_end(task, number, code)
        _check_objects(s3)
        read = _parts_read(task)
        _release_all(task, s3)

        code, *next_output = task.run(environ)

        assert (code, next_output[-1]) == (0, "")
        assert not any(secret in text for secret in _SECRETS for text in output + next_output)
        _check_objects(s3, are_complete=True)
        assert s3.uploads == {}
        twice = len(read & _parts_read(task))
        assert twice <= _PARTS_IN_FLIGHT, f"{number.name} {moment}: {twice} parts moved twice"
        done.moved_twice = max(done.moved_twice, twice)


@contextmanager
def _task(s3: S3Server) -> Iterator[tuple[Task, Mapping[str, str]]]:
    secret = json.dumps({"ARN": "arn", "Name": "hub", "SecretString": _HUB_TOKEN}).encode()
    gated = {"gated": "manual", "allowed_tokens": frozenset({_HUB_TOKEN})}
    with (
        tempfile.TemporaryDirectory() as folder,
        scripted_server(Answer(body=secret)) as secrets,
        task_of(s3.url, Path(folder), files=files(), **gated) as task,
    ):
        yield (
            task,
            {
                "AWS_ENDPOINT_URL_SECRETS_MANAGER": secrets.url,
                "HUB_TOKEN_SECRET_ARN": "arn",
                "TRANSFER_CONNECTIONS": str(_CONNECTIONS),
            },
        )


def _hold_back(dice: random.Random, task: Task, s3: S3Server) -> str:
    """Arm the fault that holds the program, and return the name of the moment."""
    if dice.random() < 0.5:
        held = Fault("stall", match="GET /xet", skip=dice.randrange(9), after_bytes=_share(dice))
        task.transfer.hub.faults.add(held)
        return "within a range"
    operation = dice.choice(list(_S3_MOMENTS))
    s3.add(S3Fault("stall", match=operation, skip=dice.randrange(_S3_MOMENTS[operation])))
    return f"after {operation.strip()}"


def _share(dice: random.Random) -> int:
    # Some ranges are as short as the last one of a file.
    return dice.choice([0, 5, 900, dice.randrange(PART_BYTES)])


def _is_held(task: Task, s3: S3Server) -> bool:
    return s3.stalled.is_set() or task.transfer.hub.faults.wait_until_stalled(0)


def _release_all(task: Task, s3: S3Server) -> None:
    hub = task.transfer.hub
    hub.faults.clear()
    hub.faults.release()
    s3.clear_faults()
    s3.release()
    hub.clear_requests()


def _check_end(task: Task, number: signal.Signals, code: int) -> None:
    names = [failure["error"] for failure in task.reported("SendTaskFailure")]
    if number == signal.SIGKILL:
        assert (code, names) in ((-signal.SIGKILL, []), (0, []))
    else:
        assert (code, names) in ((1, ["TransferInterruptedError"]), (0, []))


def _check_objects(s3: S3Server, *, are_complete: bool = False) -> None:
    for path, content in files().items():
        stored = s3.objects.get(PREFIX + path)
        is_absent = stored is None and not are_complete
        assert is_absent or (stored is not None and stored.content == content), f"{path} is wrong"


def _parts_read(task: Task) -> set[tuple[str, int]]:
    """Return the parts that were requested, by file and index."""
    return {
        (asked.path, int(asked.range_header.removeprefix("bytes=").split("-")[0]) // PART_BYTES)
        for asked in task.transfer.hub.requests
        if asked.role == "cdn" and asked.range_header is not None
    }
