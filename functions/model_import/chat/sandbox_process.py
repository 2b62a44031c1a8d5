"""The program of the process in which sandbox.py renders a template."""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import sys
from typing import TYPE_CHECKING

from model_import.chat.rendering import render_chat
from model_import.chat.sandbox import READY
from model_import.chat.template import ChatTemplateError

if TYPE_CHECKING:
    from collections.abc import MutableMapping

_WARM_UP = r"{{ '\N{BULLET}' ~ strftime_now('%Y') ~ [] | pprint ~ lipsum(1) ~ 1 // 0 }}"
# Each of these, a text constant and an error make Jinja and Python read files.


def serve(environ: MutableMapping[str, str]) -> None:
    """Render the job on stdin, one line of stdout per conversation; empties `environ`."""
    job = json.load(sys.stdin)
    with contextlib.suppress(ChatTemplateError):
        render_chat(_WARM_UP, [], {})
    processor_seconds, memory_bytes, characters = job["budget"]
    _give_up_rights(environ, processor_seconds, memory_bytes)
    _write(READY)
    for messages, asking in job["conversations"]:
        try:
            text = render_chat(job["source"], messages, job["tokens"], asking=asking)
            answer = {"text": text}
            if len(text) > characters:
                answer = {"failure": f"it writes more than {characters:,} characters"}
        except ChatTemplateError as error:
            answer = {"failure": str(error)[:characters]}
        _write(json.dumps(answer))


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _give_up_rights(
    environ: MutableMapping[str, str], processor_seconds: float, memory_bytes: int
) -> None:
    """Deny this process files and child processes, and limit its time and memory."""
    # Only the parent may have credentials.
    environ.clear()
    limits = {
        resource.RLIMIT_NOFILE: 0,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_AS: memory_bytes,
    }
    for limit, value in limits.items():
        # macOS refuses to limit the address space.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(limit, (value, value))
    # SIGPROF has no handler: the kernel stops the process, whatever code it runs.
    signal.setitimer(signal.ITIMER_PROF, processor_seconds)
