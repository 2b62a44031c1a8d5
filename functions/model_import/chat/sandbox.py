"""Renders an untrusted chat template in a process of its own, bounded in all that it can take.

Jinja's sandbox bounds neither time nor memory: three nested loops, one `**` or one padded format
string take all there is, and no thread can be ended in the middle of them. A process can.
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
# The process's first line: what ends it from there on is the template.
_SECONDS_AT_MOST: Final = 30.0
# By the clock, for a process that waits and does not work; work has a budget of its own.


@dataclass(frozen=True, slots=True)
class Budget:
    """What all conversations together may take.

    Published templates of 4 to 20 kB take 0.01 to 0.03 s, the interpreter itself 14 MB of memory
    (measured 2026-11-24, Python 3.13 on x86-64).
    """

    processor_seconds: float = 1.0
    memory_bytes: int = 256_000_000
    characters: int = 1_000_000


DEFAULT_BUDGET: Final = Budget()


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a template is given; `asking`, the model's answer is to follow."""

    messages: Sequence[Mapping[str, Any]]
    asking: bool = True


@dataclass(frozen=True, slots=True)
class Rendering:
    """What a template made of a conversation, or why it made nothing."""

    text: str = ""
    failure: str | None = None


def render_bounded(
    source: str,
    tokens: Mapping[str, str],
    conversations: Sequence[Conversation],
    budget: Budget = DEFAULT_BUDGET,
) -> list[Rendering]:
    """Return a rendering for each conversation; takes a tenth of a second to start.

    Raises:
        RuntimeError: The process did not start, which is no fault of the template.
    """
    order = {
        "source": source,
        "tokens": dict(tokens),
        "conversations": [[list(each.messages), each.asking] for each in conversations],
        "budget": [budget.processor_seconds, budget.memory_bytes, budget.characters],
    }
    # Isolated and without site: the interpreter reads no variable and runs no start-up file.
    command = [sys.executable, "-I", "-S", "-c", _START, *sys.path]
    try:
        output = subprocess.run(  # noqa: S603  this very interpreter
            command,
            input=json.dumps(order).encode(),
            capture_output=True,
            timeout=_SECONDS_AT_MOST,
            check=False,
        )
        written, complaint = output.stdout, output.stderr
    except subprocess.TimeoutExpired as expired:
        written, complaint = expired.stdout or b"", expired.stderr or b""
    # The last line may be cut where the process was ended.
    ready, *lines = written.split(b"\n")[:-1] or [b""]
    if ready != READY.encode():
        raise RuntimeError(f"no process for chat templates: {complaint.decode(errors='replace')}")
    renderings = [Rendering(**json.loads(line)) for line in lines]
    ended = Rendering(failure="it takes more time or memory than a template may")
    return renderings + [ended] * (len(conversations) - len(renderings))
