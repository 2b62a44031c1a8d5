"""Progress as a small object in S3, for programs that watch the execution from outside."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from model_import.aws.records import write_record
from model_import.errors import TransferInterruptedError
from model_import.transfer.progress import Progress
from model_import.transfer.slice_progress import SliceProgress
from transfer_model.task_token import ExecutionMovedOnError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aws_lambda_powertools import Logger
    from mypy_boto3_s3 import S3Client

    from model_import.manifest import Slice
    from model_import.transfer.slice_progress import SliceState

ONE_SHORT_TRY: Final = Config(
    connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 1, "mode": "standard"}
)
"""The configuration of the S3 client: heartbeats wait for the write, and the next write is soon."""

_WRITE_SECONDS: Final = 3


class ProgressObject:
    """Writes progress to its object, at most every 3 s; a failed write is only logged."""

    def __init__(
        self,
        s3: S3Client,
        slice_: Slice,
        logger: Logger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._s3 = s3
        self._bucket = slice_.staging.bucket
        self._key = slice_.progress_key
        self._logger = logger
        self._clock = clock
        self._last = Progress(0, 0, slice_.size_bytes, 0, len(slice_.files))
        self._started_at = clock()
        self._written_at = float("-inf")
        self._written_bytes = 0

    def __call__(self, progress: Progress) -> None:
        self._last = progress
        now = self._clock()
        if now - self._written_at < _WRITE_SECONDS:
            return
        since = max(self._started_at, self._written_at)
        moved = progress.moved_bytes
        rate = _rate(moved - self._written_bytes, now - since)
        self._written_at, self._written_bytes = now, moved
        self._write("running", rate)

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Write how the block ended, and its average rate."""
        try:
            yield
        except (TransferInterruptedError, ExecutionMovedOnError) as error:
            self.end_interrupted(error)
            raise
        except Exception as error:
            self._end("failed", error)
            raise
        self._end("succeeded")

    def end_interrupted(self, error: Exception) -> None:
        """Write that the task was interrupted, so that another task can resume."""
        self._end("interrupted", error)

    def _end(self, state: SliceState, error: Exception | None = None) -> None:
        rate = _rate(self._last.moved_bytes, self._clock() - self._started_at)
        self._write(state, rate, type(error).__name__ if error else None)

    def _write(self, state: SliceState, rate: int, error: str | None = None) -> None:
        last = self._last
        left_bytes = last.bytes_total - last.bytes_done
        record = SliceProgress(
            state=state,
            bytes_done=last.bytes_done,
            bytes_total=last.bytes_total,
            files_done=last.files_done,
            files_total=last.files_total,
            bytes_per_second=rate,
            eta_seconds=round(left_bytes / rate) if rate else None,
            retries=last.retries,
            stalls=last.stalls,
            connections=last.connections,
            error=error,
            updated_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        try:
            write_record(self._s3, self._bucket, self._key, record.to_dict())
        except (BotoCoreError, ClientError) as failure:
            self._logger.warning("Progress not written", reason=str(failure))


def _rate(size_bytes: int, seconds: float) -> int:
    return round(size_bytes / seconds) if seconds else 0
