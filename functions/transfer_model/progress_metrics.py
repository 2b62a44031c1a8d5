"""Progress as metrics: CloudWatch reads them from the task's log, in the embedded metric format.

The log driver needs no header for this: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Generation_PutLogEvents.html
(2026-11-24). The only dimension is the stack. The slice and the counts are properties, which do not
create metrics.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import (
    AmazonCloudWatchEMFProvider,
)

from model_import.transfer.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

NAMESPACE: Final = "model-import"
DIMENSION: Final = "Stack"
_LINE_SECONDS: Final = 10


class ProgressMetrics:
    """Writes progress as a log line, at most every 10 s, and once more when it is closed.

    All metrics but Throughput and Connections count from the previous line, so their sums are
    totals. Throughput is the rate of bytes from the Hub; its sum over tasks is the total rate.
    """

    def __init__(
        self, stack: str, slice_uri: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._emf = AmazonCloudWatchEMFProvider(
            namespace=NAMESPACE, default_dimensions={DIMENSION: stack}
        )
        self._slice_uri = slice_uri
        self._clock = clock
        self._written_at = clock()
        self._written = self._latest = Progress(0, 0, 0, 0, 0)

    def __call__(self, progress: Progress) -> None:
        self._latest = progress
        if self._clock() - self._written_at >= _LINE_SECONDS:
            self._write()

    def close(self) -> None:
        """Write the progress since the last line."""
        if self._latest != self._written:
            self._write()

    def _write(self) -> None:
        now, before, emf = self._latest, self._written, self._emf
        seconds = self._clock() - self._written_at
        self._written_at, self._written = self._clock(), now
        arrived = now.bytes_arrived - before.bytes_arrived
        rate = round(arrived / seconds) if seconds else 0
        emf.add_metric("BytesMoved", MetricUnit.Bytes, arrived)
        emf.add_metric("Throughput", MetricUnit.BytesPerSecond, rate)
        emf.add_metric("PartsStored", MetricUnit.Count, now.parts_stored - before.parts_stored)
        emf.add_metric("Retries", MetricUnit.Count, now.retries - before.retries)
        emf.add_metric("Stalls", MetricUnit.Count, now.stalls - before.stalls)
        emf.add_metric("Connections", MetricUnit.Count, now.connections)
        emf.add_metadata("slice", self._slice_uri)
        emf.add_metadata("bytes_done", now.bytes_done)
        emf.add_metadata("bytes_total", now.bytes_total)
        emf.add_metadata("files_done", now.files_done)
        emf.add_metadata("files_total", now.files_total)
        emf.flush_metrics()
