"""Renders an untrusted chat template in a separate process with limits on time and memory.

Jinja's sandbox limits neither: three nested loops, one `**` or one padded format string can use up
both. A thread cannot be stopped in the middle of them, but a process can.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_START: Final = (
    "import os, sys; sys.path[:] = sys.argv[1:];"
    "from model_import.chat.sandbox_process import serve; serve(os.environ)"
)
READY: Final = "ready"
# The first line of the process. If the process ends after it, the template is the cause.
_SECONDS_AT_MOST: Final = 30.0
# Wall-clock time, for a process that waits. Its processor time has a separate limit.


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits for all conversations together.

    Published templates of 4 to 20 kB take 0.01 to 0.03 s; the interpreter alone uses 14 MB of
    memory (measured 2026-11-24, Python 3.13 on x86-64).
    """

    processor_seconds: float = 1.0
    memory_bytes: int = 256_000_000
    characters: int = 1_000_000


DEFAULT_BUDGET: Final = Budget()


@dataclass(frozen=True, slots=True)
class Conversation:
    """The messages to render; if `asking`, the model's answer is to follow them."""

    messages: Sequence[Mapping[str, Any]]
    asking: bool = True


@dataclass(frozen=True, slots=True)
class Rendering:
    """The text that a template rendered, or why it failed."""

    text: str = ""
    failure: str | None = None


def render_bounded(
    source: str,
    tokens: Mapping[str, str],
    conversations: Sequence[Conversation],
    budget: Budget = DEFAULT_BUDGET,
) -> list[Rendering]:
    """Return a rendering for each conversation; the process takes 0.1 s to start.

    Raises:
        RuntimeError: The process did not start; the template is not the cause.
    """
    job = {
        "source": source,
        "tokens": dict(tokens),
        "conversations": [[list(each.messages), each.asking] for each in conversations],
        "budget": [budget.processor_seconds, budget.memory_bytes, budget.characters],
    }
    # Isolated and without site: the interpreter reads no variables and runs no start-up files.
    command = [sys.executable, "-I", "-S", "-c", _START, *sys.path]
    try:
        output = subprocess.run(  # noqa: S603  this interpreter
            command,
            input=json.dumps(job).encode(),
            capture_output=True,
            timeout=_SECONDS_AT_MOST,
            check=False,
        )
        written, errors = output.stdout, output.stderr
    except subprocess.TimeoutExpired as expired:
        written, errors = expired.stdout or b"", expired.stderr or b""
    # The last line may be incomplete if the process was stopped.
    ready, *lines = written.split(b"\n")[:-1] or [b""]
    if ready != READY.encode():
        raise RuntimeError(
            f"the process for chat templates did not start: {errors.decode(errors='replace')}"
        )
    renderings = [Rendering(**json.loads(line)) for line in lines]
    ended = Rendering(failure="it exceeds the limit of time or memory for a template")
    return renderings + [ended] * (len(conversations) - len(renderings))
