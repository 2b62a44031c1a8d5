"""Progress as lines of JSON in the task's log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools import Logger

    from model_import.progress import Progress

_LINE_SECONDS: Final = 1


class ProgressLog:
    """A subscriber of progress that writes a line a second at most, and the last one in any case.

    `bytes_per_second` is the rate at which bytes came from the Hub since the line before.
    """

    def __init__(self, logger: Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._written_at = clock()
        self._written_bytes = 0

    def __call__(self, progress: Progress) -> None:
        now = self._clock()
        seconds = now - self._written_at
        if seconds < _LINE_SECONDS and progress.files_done < progress.files_total:
            return
        moved_bytes = progress.bytes_arrived - self._written_bytes
        self._logger.info(
            "Progress",
            bytes_done=progress.bytes_done,
            bytes_total=progress.bytes_total,
            bytes_per_second=round(moved_bytes / seconds) if seconds else 0,
            files_done=progress.files_done,
            files_total=progress.files_total,
        )
        self._written_at, self._written_bytes = now, progress.bytes_arrived
