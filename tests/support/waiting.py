"""Waiting for what another thread or process does, without a guess of how long that takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

HANG_SECONDS: Final = 900
"""What takes longer hangs, however busy the machine is."""

_LOOK_SECONDS: Final = 0.01


def wait_until[T](look: Callable[[], T], told: Callable[[], object] = lambda: "") -> T:
    """Look until there is something to see, and return it; `told` says what there is instead."""
    ends_at = time.monotonic() + HANG_SECONDS
    while not (seen := look()):
        assert time.monotonic() < ends_at, f"It did not come to that: {told()}"
        time.sleep(_LOOK_SECONDS)
    return seen
