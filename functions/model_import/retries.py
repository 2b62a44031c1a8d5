"""Trying again: which failures are worth it, how often, and how long to wait in between."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable


class TransientError(Exception):
    """A failure that trying again may mend; `wait_seconds` is what the server asked for."""

    def __init__(self, why: str, *, wait_seconds: float | None = None) -> None:
        super().__init__(why)
        self.wait_seconds = wait_seconds


def backoff_seconds(attempt: int, *, base_seconds: float = 0.5, cap_seconds: float = 30) -> float:
    """Return a random wait after the given failed attempt: exponential, with full jitter."""
    # https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    return random.uniform(0, min(cap_seconds, base_seconds * 2**attempt))  # noqa: S311 no secret


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a request is tried; a set `stopped` ends both the tries and the waits."""

    attempts: int
    stopped: threading.Event
    sleep: Callable[[float], object] | None = None

    def call[T](self, try_once: Callable[[], T]) -> T:
        """Return what `try_once` does.

        Raises:
            TransientError: the last one, when the attempts are used up.
        """
        for attempt in itertools.count(1):
            try:
                return try_once()
            except TransientError as error:
                if attempt >= self.attempts or self.stopped.is_set():
                    raise
                wait_seconds = error.wait_seconds or backoff_seconds(attempt)
            (self.sleep or self.stopped.wait)(wait_seconds)
        raise AssertionError  # itertools.count does not end
