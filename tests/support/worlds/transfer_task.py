"""The transfer program as a process, with the services that it uses in Fargate on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from support.servers.scripted_server import Answer, scripted_server
from support.waiting import HANG_SECONDS
from support.worlds.loopback_transfer import BUCKET, CREDENTIALS, REGION, bytes_of, rig

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator, Mapping

    from support.servers.scripted_server import ScriptedServer
    from support.worlds.loopback_transfer import Rig

FUNCTIONS: Final = Path(__file__).parents[3] / "functions"
SLICE_KEY: Final = "imports/1/slice-0.json"
PART_BYTES: Final = 5 * 1024 * 1024
"""The smallest part that S3 accepts."""
SHARD: Final = "model.safetensors"
FILES: Final = {SHARD: bytes_of(PART_BYTES + 1000), "tokenizer.json": b"{}"}
TASK_TOKEN: Final = "made-up-task-token"
_STOP_SECONDS: Final = 120
"""The most time that Fargate gives a program between the signal and its end."""


@dataclass
class Task:
    """The environment of the program; `states` records the calls of Step Functions."""

    transfer: Rig
    states: ScriptedServer
    environ: dict[str, str]

    def start(self, environ: Mapping[str, str] = {}) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "transfer_model"],
            env={**self.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, environ: Mapping[str, str] = {}) -> tuple[int, str, str]:
        """Return exit code, stdout and stderr."""
        with self.start(environ) as process:
            out, err = process.communicate(timeout=HANG_SECONDS)
        return process.returncode, out, err

    def end(self, process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str, str]:
        """Send a signal, and return what `run` returns; kill the program if it does not end.

        Raises:
            subprocess.TimeoutExpired: it did not end.
        """
        process.send_signal(number)
        try:
            out, err = process.communicate(timeout=_STOP_SECONDS)
        finally:
            process.kill()
        return process.returncode, out, err

    def reported(self, operation: str) -> list[dict[str, Any]]:
        """Return the bodies of the calls of one operation of Step Functions."""
        return [
            json.loads(request.body)
            for request in self.states.requests
            if request.headers["x-amz-target"] == f"AWSStepFunctions.{operation}"
        ]


@contextmanager
def task_of(
    s3_url: str,
    directory: Path,
    *states: Answer,
    files: Mapping[str, bytes] = FILES,
    **repository: Any,  # noqa: ANN401 rig's
) -> Iterator[Task]:
    with (
        rig(s3_url, directory, files, **repository) as transfer,
        scripted_server(*(states or [Answer(body=b"{}")])) as step_functions,
    ):
        transfer.part_bytes = PART_BYTES
        body = json.dumps(transfer.slice.to_dict()).encode()
        transfer.s3.put_object(Bucket=BUCKET, Key=SLICE_KEY, Body=body)
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(FUNCTIONS),
            "AWS_ACCESS_KEY_ID": CREDENTIALS["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": CREDENTIALS["aws_secret_access_key"],
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": s3_url,
            "AWS_ENDPOINT_URL_SFN": step_functions.url,
            "SLICE_URI": f"s3://{BUCKET}/{SLICE_KEY}",
            "TASK_TOKEN": TASK_TOKEN,
            "STACK_NAME": "imports",
            "TRANSFER_CONNECTIONS": "4",
        }
        yield Task(transfer, step_functions, environ)
