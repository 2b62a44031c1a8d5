"""What a person sees of the slices of a local run, from the objects that their tasks write."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any, cast

from rich.console import Console

from local.display import Display
from local.slice_progress import SliceProgressReader

from model_import.transfer.slice_progress import SliceProgress  # isort: skip

RUNNING = SliceProgress(
    state="running",
    bytes_done=1_000_000,
    bytes_total=4_000_000,
    files_done=1,
    files_total=3,
    bytes_per_second=500_000,
    eta_seconds=6,
    retries=2,
    stalls=0,
    connections=16,
    error=None,
    updated_at="2026-11-24T00:00:00+00:00",
)
FAILED = replace(RUNNING, state="failed", error="ChecksumMismatchError", retries=0)


class Bucket:
    """Progress objects of one execution, beside those of another."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {"imports/other/progress/0.json": b"?"}
        self.reads: list[str] = []

    def write(self, number: int, progress: SliceProgress) -> None:
        body = json.dumps(progress.to_dict()).encode()
        self.objects[f"imports/run-1/progress/{number}.json"] = body

    def list_objects_v2(self, **call: str) -> dict[str, Any]:
        return {
            "Contents": [
                {"Key": key, "ETag": str(hash(body))}
                for key, body in self.objects.items()
                if key.startswith(call["Prefix"])
            ]
        }

    def get_object(self, **call: str) -> dict[str, Any]:
        self.reads.append(call["Key"])
        return {"Body": io.BytesIO(self.objects[call["Key"]])}


def shown(changes: dict[int, SliceProgress], *, terminal: bool) -> str:
    written = io.StringIO()
    display = Display(Console(file=written, force_terminal=terminal, width=80 + 40 * terminal))
    with display:
        display.moved(changes)
    return written.getvalue()


def test_only_slices_that_have_moved_are_read_again() -> None:
    bucket = Bucket()
    reader = SliceProgressReader(cast("Any", bucket), "staging", "run-1")
    bucket.write(0, RUNNING)
    bucket.write(10, RUNNING)
    assert reader.changes(at_once=True) == {0: RUNNING, 10: RUNNING}

    bucket.write(10, FAILED)
    assert reader.changes() == {}
    assert reader.changes(at_once=True) == {10: FAILED}
    assert len(bucket.reads) == 3


def test_a_terminal_shows_a_bar_a_slice_with_rate_time_left_and_retries() -> None:
    text = shown({0: RUNNING, 1: FAILED}, terminal=True)

    assert "slice 0" in text
    assert "1.0/4.0 MB" in text
    assert "0.5 MB/s running, 0:00:06 left, 2 retries" in text
    assert "slice 1" in text
    assert "ChecksumMismatchError" in text


def test_elsewhere_each_change_is_a_line() -> None:
    assert shown({0: RUNNING}, terminal=False) == (
        "    slice 0: 1,000,000 of 4,000,000 bytes, 0.5 MB/s, 1 of 3 files, running, 0:00:06 "
        "left, 2 retries\n"
    )
