"""Waiting for what another thread or process does, without a guess of how long that takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS_AT_MOST: Final = 60
_LOOK_SECONDS: Final = 0.01


def wait_until[T](look: Callable[[], T], told: Callable[[], object] = lambda: "") -> T:
    """Look until there is something to see, and return it; `told` says what there is instead."""
    ends_at = time.monotonic() + _SECONDS_AT_MOST
    while not (seen := look()):
        assert time.monotonic() < ends_at, f"It did not come to that: {told()}"
        time.sleep(_LOOK_SECONDS)
    return seen
