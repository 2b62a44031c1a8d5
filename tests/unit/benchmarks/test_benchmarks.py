"""The benchmark in small: it runs, it finds wrong bytes, and the documents say what it measured."""

from __future__ import annotations

import socket
import sys
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import urllib3

from benchmarks import ways
from benchmarks.environments import Environment
from benchmarks.fan_out_estimate import Task, forecast_seconds
from benchmarks.http_wire import LOOPBACK, ChunkedBody, Connection
from benchmarks.plot import draw_scene
from benchmarks.results import Result
from benchmarks.scenes import Extent, Scene, run_scene
from benchmarks.stage import BUCKET, PROJECT, StageSettings, WrongBytesError, set_stage
from benchmarks.tables import fill_places, scene_table
from benchmarks.ways import Concurrency
from model_import.checksums.crc64 import crc64_base64

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.stage import Stage

MIB: Final = 1024 * 1024
RESULTS: Final = PROJECT / "benchmarks/results"
SIZES: Final = (5 * MIB + 1, 5 * MIB)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    hashes = tmp_path_factory.mktemp("benchmark") / "hashes.json"
    with set_stage(StageSettings(SIZES, pool_pages=257, hashes=hashes)) as standing:
        yield standing


def test_this_transfer_and_the_floor_bring_every_byte_over_tls(tmp_path: Path) -> None:
    here = Environment(Path(sys.executable).parent, {})
    scene = Scene("small", (ways.OURS, ways.FLOOR), Concurrency(2, 5 * MIB), tls=True)
    extent = Extent(SIZES, rounds=1, pool_pages=257, hashes=tmp_path / "hashes.json")

    result = run_scene(scene, extent, lambda _: here)

    assert {run.way for run in result.runs} == {"ours", "floor"}
    assert all(run.cpu_seconds > 0 and run.peak_rss_bytes > MIB for run in result.runs)
    assert Result.read(result.write(tmp_path)) == result
    assert "this transfer" in scene_table(result)
    assert draw_scene(result).startswith("<svg")


def test_wrong_bytes_at_the_sink_are_found_out(stage: Stage) -> None:
    file = stage.files[1]
    sent = urllib3.request("GET", f"{stage.cdn_url}/cdn/{file.path}", timeout=None).data
    damaged = bytes([sent[0] ^ 1]) + sent[1:]
    for content in (sent, damaged):
        for each in stage.files:
            body = content
            if each != file:
                body = urllib3.request("GET", stage.resolve_url(each), timeout=None).data
            target = f"{stage.s3_url}/{BUCKET}/it/{each.path}"
            urllib3.request("PUT", target, body=body, timeout=None)
        if content is sent:
            stage.check_received("it/")

    with pytest.raises(WrongBytesError, match=file.path):
        stage.check_received("it/")


def test_the_sink_refuses_a_body_that_is_not_what_its_checksum_says(stage: Stage) -> None:
    checksum = {"x-amz-checksum-crc64nvme": crc64_base64(1)}

    target = f"{stage.s3_url}/{BUCKET}/other"
    refused = urllib3.request("PUT", target, body=b"bytes", headers=checksum, timeout=None)

    assert refused.status == HTTPStatus.BAD_REQUEST
    assert b"BadDigest" in refused.data


def test_a_chunked_body_is_read_as_what_is_in_its_chunks() -> None:
    near, far = socket.socketpair()
    with near, far:
        far.sendall(b"3\r\n5\r\n\r\n4;x=y\r\nhell\r\n3\r\no\r\n\r\n0\r\n\r\n")
        body = ChunkedBody(Connection(near, LOOPBACK))
        word = bytearray(5)

        assert body.read_line() == b"5"
        body.read_into(memoryview(word))
        assert body.read_line() == b""
        body.end()

    assert word == b"hello"


@pytest.mark.parametrize(
    ("task", "seconds"),
    [
        (Task(10, 4, 64, 1000), 60 + 12.8),
        (Task(1000, 2, 64, 1000), 60 + 16),
        (Task(1000, 400, 2, 100), 60 + 1280),
    ],
)
def test_the_scarcest_of_network_processor_and_connections_rules(
    task: Task, seconds: float
) -> None:
    assert forecast_seconds(32 * 10**9, 2, task, 2 * 1.024**3) == pytest.approx(seconds, rel=1e-3)


def test_the_document_says_what_was_measured() -> None:
    text = (PROJECT / "docs/transfer.md").read_text(encoding="utf-8")

    assert fill_places(text, RESULTS) == text


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_the_pictures_show_what_was_measured(path: Path) -> None:
    assert path.with_suffix(".svg").read_text(encoding="utf-8") == draw_scene(Result.read(path))
