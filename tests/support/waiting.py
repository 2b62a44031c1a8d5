"""Waits for other threads or processes, without guessing how long they take."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

HANG_SECONDS: Final = 900
"""Anything that takes longer hangs, however busy the machine is."""

_POLL_SECONDS: Final = 0.01


def wait_until[T](look: Callable[[], T], describe: Callable[[], object] = lambda: "") -> T:
    """Call `look` until its result is true, and return it; on failure, show `describe()`."""
    ends_at = time.monotonic() + HANG_SECONDS
    while not (seen := look()):
        assert time.monotonic() < ends_at, f"The condition was never met: {describe()}"
        time.sleep(_POLL_SECONDS)
    return seen
