"""Retries: which failures to retry, how often, and how long to wait in between."""

from __future__ import annotations

import itertools
import math
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable


class TransientError(Exception):
    """A failure that a retry may resolve.

    `wait_seconds` is the wait that the server asked for. `is_throttling` means that there were too
    many requests, and `is_stall` that a connection was open but brought no byte.
    """

    def __init__(
        self,
        why: str,
        *,
        wait_seconds: float | None = None,
        is_throttling: bool = False,
        is_stall: bool = False,
    ) -> None:
        super().__init__(why)
        self.wait_seconds = wait_seconds
        self.is_throttling = is_throttling
        self.is_stall = is_stall
        self.tries = 1

    @property
    def attempts_text(self) -> str:
        """Return how often in a row the attempts failed, as words for an error message."""
        return "once" if self.tries == 1 else f"{self.tries} times in a row"


def backoff_seconds(attempt: int, *, base_seconds: float = 0.5, cap_seconds: float = 30) -> float:
    """Return a random wait after the given failed attempt: exponential, with full jitter."""
    # https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    return random.uniform(0, min(cap_seconds, base_seconds * 2**attempt))  # noqa: S311 no secret


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how long a request is attempted; setting `stopped` ends attempts and waits.

    A wait does not begin if it would end more than `patience_seconds` after the first failure.
    """

    attempts: int
    stopped: threading.Event
    sleep: Callable[[float], object] | None = None
    patience_seconds: float = math.inf
    clock: Callable[[], float] = time.monotonic

    def call[T](
        self,
        try_once: Callable[[], T],
        on_failure: Callable[[TransientError], None] = lambda _: None,
        *,
        wake: threading.Event | None = None,
    ) -> T:
        """Return what `try_once` returns; `wake` ends a wait early.

        Raises:
            TransientError: the last failure, when the attempts or the patience are used up.
        """
        failed_at = math.inf
        for attempt in itertools.count(1):
            try:
                return try_once()
            except TransientError as error:
                error.tries = attempt
                on_failure(error)
                now = self.clock()
                failed_at = min(failed_at, now)
                wait_seconds = error.wait_seconds or backoff_seconds(attempt)
                is_too_long = now + wait_seconds - failed_at > self.patience_seconds
                if attempt >= self.attempts or self.stopped.is_set() or is_too_long:
                    raise
            (self.sleep or (wake or self.stopped).wait)(wait_seconds)
        raise AssertionError  # itertools.count does not end
