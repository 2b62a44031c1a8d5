"""Reading files of the Hub by Range, also where servers do what the local Hub does not."""

from __future__ import annotations

import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest
from support.servers.certificates import self_signed
from support.servers.connect_proxy import connect_proxy
from support.servers.scripted_server import Answer, scripted_server
from support.waiting import HANG_SECONDS
from support.worlds.loopback_transfer import bytes_of

from model_import.errors import (
    CertificateUntrustedError,
    ChecksumMismatchError,
    HubAccessRefusedError,
    HubUnavailableError,
    ModelImportError,
    RepositoryFileNotFoundError,
    RepositoryGatedError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from model_import.manifest import Source
from model_import.sources.hub.files import HubFiles
from model_import.sources.hub.range_read import RangeAbandonedError, RangeRead
from model_import.transport.pools import HttpPools, PoolsClosedError
from model_import_cli.folder_hub.faults import Fault
from model_import_cli.folder_hub.repositories import Repository, read_snapshot
from model_import_cli.folder_hub.server import LocalHub

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from model_import.transport.retries import TransientError
    from model_import_cli.folder_hub.faults import FaultKind

REPO_ID = "acme/tiny-llama"
WEIGHTS = "model-00001-of-00002.safetensors"
SHARD = bytes_of(700_000)
CONFIG = b'{"model_type": "llama"}'
TOKEN = "hf_made_up_token"
FROM_CDN = rf"GET /xet-bridge-local/.*{WEIGHTS}"


@dataclass
class Reader:
    """Opens files of one Hub, and keeps what it would have slept."""

    hub: LocalHub
    source: Source
    waits: list[float] = field(default_factory=list)
    opened: list[HubFiles] = field(default_factory=list)

    def files(self, token: str | None = None, **settings: Any) -> HubFiles:  # noqa: ANN401 HubFiles'
        settings = {"sleep": self.waits.append, **settings}
        files = HubFiles(settings.pop("source", self.source), token, **settings)
        self.opened.append(files)
        return files

    def ranges_from_cdn(self) -> list[str | None]:
        return [request.range_header for request in self.hub.requests if request.role == "cdn"]

    def resolves(self) -> int:
        return sum(f"/resolve/{self.source.commit}/" in asked.path for asked in self.hub.requests)


@pytest.fixture(autouse=True)
def _no_bundle_of_this_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    folder = tmp_path / REPO_ID
    folder.mkdir(parents=True)
    for name, content in {
        WEIGHTS: SHARD,
        "config.json": CONFIG,
        "é 1+1%.json": b"{}",
        "empty.txt": b"",
    }.items():
        (folder / name).write_bytes(content)
    return Repository(REPO_ID, folder)


@pytest.fixture
def reader(repository: Repository) -> Iterator[Reader]:
    with LocalHub([repository]) as hub:
        commit = read_snapshot(repository.directory).commit
        reader = Reader(hub, Source(hub.endpoint, REPO_ID, commit))
        yield reader
        for files in reader.opened:
            files.close()


def test_size_and_sha256_of_a_large_file_are_known_when_it_is_opened(reader: Reader) -> None:
    file = reader.files().open(WEIGHTS)

    assert file.size_bytes == 700_000
    assert file.sha256 is not None
    assert len(file.sha256) == 64


def test_a_small_file_has_a_size_and_no_sha256(reader: Reader) -> None:
    file = reader.files().open("config.json")

    assert file.size_bytes == len(CONFIG)
    assert file.sha256 is None


def test_any_range_can_be_read(reader: Reader) -> None:
    file = reader.files().open(WEIGHTS)
    buffer = bytearray(10)

    file.read_into(699_990, memoryview(buffer))

    assert file.read(3, 5) == SHARD[3:8]
    assert bytes(buffer) == SHARD[-10:]
    assert file.read_all(700_000) == SHARD
    assert file.read(5, 0) == b""


def test_names_with_spaces_plus_percent_and_accents_are_found(reader: Reader) -> None:
    assert reader.files().open("é 1+1%.json").read_all(10) == b"{}"


def test_an_empty_file_is_read_without_a_request_for_its_bytes(reader: Reader) -> None:
    assert reader.files().open("empty.txt").read_all(10) == b""
    assert {asked.method for asked in reader.hub.requests} == {"HEAD"}


def test_a_file_longer_than_allowed_is_not_read(reader: Reader) -> None:
    with pytest.raises(ValueError, match="has 23 bytes; the limit is 22 bytes"):
        reader.files().open("config.json").read_all(22)


def test_bytes_are_told_as_they_arrive(reader: Reader) -> None:
    arrived: list[int] = []

    reader.files().open(WEIGHTS).read_into(0, memoryview(bytearray(700_000)), arrived.append)

    assert sum(arrived) == 700_000
    assert len(arrived) > 1


def test_a_location_is_asked_for_once_and_without_range(reader: Reader) -> None:
    file = reader.files().open(WEIGHTS)
    for start in range(0, 1000, 100):
        file.read(start, 100)

    asked = [request for request in reader.hub.requests if "/resolve/" in request.path]
    assert [request.range_header for request in asked] == [None]


def test_the_token_goes_to_the_hub_and_to_no_other_host(reader: Reader) -> None:
    files = reader.files(TOKEN)

    files.open(WEIGHTS).read(0, 10)
    files.open("config.json").read(0, 10)

    with_token = {(asked.role, asked.with_authorization) for asked in reader.hub.requests}
    assert with_token == {("hub", True), ("cdn", False)}


def test_the_token_does_not_follow_a_redirect_to_another_port_or_scheme() -> None:
    away = Answer(200, {"Content-Length": "5", "Content-Range": "bytes 0-4/5"}, b"12345")
    with (
        scripted_server(away) as other,
        scripted_server(Answer(302, {"Location": f"{other.url}/file"})) as hub,
        closing(HubFiles(Source(hub.url, REPO_ID, "abc"), TOKEN)) as files,
    ):
        assert files.open("a").read(0, 5) == b"12345"

    assert [request.headers.get("authorization") for request in hub.requests] == [f"Bearer {TOKEN}"]
    assert len(other.requests) == 2
    assert all("authorization" not in request.headers for request in other.requests)


def test_neither_the_token_nor_a_signed_location_is_in_an_error(reader: Reader) -> None:
    reader.hub.faults.add(Fault("drop", match=FROM_CDN, times=None))
    file = reader.files(TOKEN, attempts=2).open(WEIGHTS)

    with pytest.raises(HubUnavailableError) as raised:
        file.read(0, 10)

    text = "".join(traceback.format_exception(raised.value))
    assert TOKEN not in text
    assert "Signature=" not in text
    assert "xet-bridge" not in text


def test_the_location_is_not_in_the_repr_of_what_was_resolved(reader: Reader) -> None:
    assert "Signature" not in repr(reader.files().resolve(WEIGHTS))


@pytest.mark.parametrize(
    ("token", "sentence"),
    [(None, "no Hub token is configured"), (TOKEN, "configured Hub token has no access")],
)
def test_a_gated_repository_says_whether_a_token_or_its_approval_is_missing(
    repository: Repository, token: str | None, sentence: str
) -> None:
    gated = Repository(REPO_ID, repository.directory, gated="manual")
    commit = read_snapshot(repository.directory).commit

    with (
        LocalHub([gated]) as hub,
        closing(HubFiles(Source(hub.endpoint, REPO_ID, commit), token)) as files,
        pytest.raises(RepositoryGatedError, match=sentence) as raised,
    ):
        files.open(WEIGHTS)
    assert f"{hub.endpoint}/{REPO_ID}" in str(raised.value)


@pytest.mark.parametrize(
    ("repo_id", "commit", "path", "error"),
    [
        ("acme/missing", "main", WEIGHTS, RepositoryNotFoundError),
        (REPO_ID, "0" * 40, WEIGHTS, RevisionNotFoundError),
        (REPO_ID, "main", "missing.json", RepositoryFileNotFoundError),
    ],
)
def test_what_is_missing_is_told_by_name(
    reader: Reader, repo_id: str, commit: str, path: str, error: type[ModelImportError]
) -> None:
    files = reader.files(source=Source(reader.hub.endpoint, repo_id, commit))

    with pytest.raises(error):
        files.open(path)
    assert reader.waits == []


def test_an_answer_that_trying_again_does_not_mend_is_told_at_once(reader: Reader) -> None:
    reader.hub.faults.add(Fault("status", match="HEAD /acme", status=418))

    with pytest.raises(HubUnavailableError, match=r"it answered 418 \(The local Hub injects"):
        reader.files().open(WEIGHTS)
    assert reader.waits == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", match="HEAD", status=500, times=3),
        Fault("status", match=FROM_CDN, status=503, times=3),
        Fault("drop", match="HEAD", times=3),
        Fault("drop", match=FROM_CDN, times=3),
        Fault("reset", match=FROM_CDN, after_bytes=0, times=3),
        Fault("reset", match=FROM_CDN, after_bytes=300_000, times=2),
        Fault("truncate", match=FROM_CDN, after_bytes=0, times=3),
        Fault("truncate", match=FROM_CDN, after_bytes=1, times=3),
        Fault("wrong_content_range", match=FROM_CDN, times=3),
        Fault("expire", match=FROM_CDN, times=3),
    ],
    ids=lambda fault: f"{fault.kind} at {fault.match[:4]} after {fault.after_bytes}",
)
def test_a_fault_that_passes_costs_time_and_no_byte(reader: Reader, fault: Fault) -> None:
    reader.hub.faults.add(fault)

    assert reader.files().open(WEIGHTS).read_all(700_000) == SHARD
    assert len(reader.hub.faults.struck) == fault.times


def test_a_fault_that_stays_ends_the_attempts(reader: Reader) -> None:
    reader.hub.faults.add(Fault("status", match=FROM_CDN, status=502, times=None))
    file = reader.files(attempts=3).open(WEIGHTS)

    with pytest.raises(HubUnavailableError, match="it answered 502, 3 times in a row"):
        file.read(0, 10)
    assert len(reader.ranges_from_cdn()) == 3
    assert len(reader.waits) == 2


def test_the_hub_says_how_long_to_wait_for_the_next_rate_window(reader: Reader) -> None:
    reader.hub.faults.add(
        Fault("status", match="HEAD", status=429, reset_seconds=17),
        Fault("status", match="HEAD", status=429, reset_seconds=9999),
    )

    reader.files(patience_seconds=1000).open(WEIGHTS)

    assert reader.waits == [17, 300]


def test_after_a_drop_the_read_goes_on_from_the_byte_that_it_had_reached(reader: Reader) -> None:
    reader.hub.faults.add(Fault("truncate", match=FROM_CDN, after_bytes=300_000))
    file = reader.files().open(WEIGHTS)

    assert file.read(100, 600_000) == SHARD[100:600_100]

    first, second = reader.ranges_from_cdn()
    assert first == "bytes=100-600099"
    assert second is not None
    reached = int(second.removeprefix("bytes=").removesuffix("-600099"))
    assert 100 + 262_144 <= reached <= 100 + 300_000
    assert reader.waits == []


def test_an_expired_location_is_asked_for_again_once_for_all_threads(reader: Reader) -> None:
    file = reader.files(connections=8).open(WEIGHTS)
    reader.hub.faults.add(Fault("expire", match=FROM_CDN))

    with ThreadPoolExecutor(8) as threads:
        parts = list(threads.map(lambda start: file.read(start, 100), range(0, 3200, 100)))

    assert b"".join(parts) == SHARD[:3200]
    assert reader.resolves() == 2


def test_a_repository_that_becomes_gated_is_told_when_the_location_expires(
    reader: Reader, repository: Repository
) -> None:
    file = reader.files().open(WEIGHTS)
    reader.hub.faults.add(Fault("expire", match=FROM_CDN))
    reader.hub._hub.site._repositories = {  # type: ignore[attr-defined]
        REPO_ID: Repository(REPO_ID, repository.directory, gated="auto")
    }

    with pytest.raises(RepositoryGatedError):
        file.read(0, 10)


def test_a_mirror_that_ignores_range_serves_any_range_all_the_same(reader: Reader) -> None:
    reader.hub.faults.add(Fault("ignore_range", match=FROM_CDN, times=None))
    file = reader.files().open(WEIGHTS)

    assert file.read(0, 1000) == SHARD[:1000]
    assert not file.ignores_range
    assert file.read(650_001, 1000) == SHARD[650_001:651_001]
    assert file.ignores_range
    assert file.read(5, 1000) == SHARD[5:1005]


def test_parts_of_a_file_without_range_come_from_one_body_in_any_order_of_threads(
    reader: Reader,
) -> None:
    reader.hub.faults.add(Fault("ignore_range", match=FROM_CDN, times=None))
    file = reader.files(connections=7).open(WEIGHTS)
    parts = [range(start, start + 100_000) for start in range(0, 700_000, 100_000)]
    content = bytearray(700_000)

    def fill(part: range) -> None:
        into = memoryview(content)[part.start : part.stop]
        file.fill(RangeRead(part.start, into, after=part.start))

    with ThreadPoolExecutor(7) as threads:
        list(threads.map(fill, parts[::-1]))

    assert content == SHARD
    assert reader.ranges_from_cdn().count(None) == 1


@pytest.mark.parametrize("kind", ["reset", "truncate"])
def test_a_body_without_range_that_drops_is_read_again_past_what_is_known(
    reader: Reader, kind: FaultKind
) -> None:
    reader.hub.faults.add(Fault("ignore_range", match=FROM_CDN, times=None))
    file = reader.files().open(WEIGHTS)
    file.read(1, 1)  # finds out
    reader.hub.faults.add(Fault(kind, match=FROM_CDN, after_bytes=300_000, times=3))
    arrived: list[int] = []

    content = bytearray(700_000)
    file.read_into(0, memoryview(content), arrived.append)

    assert content == SHARD
    assert sum(arrived) >= 700_000


def test_a_body_without_range_that_comes_no_further_ends_the_attempts(reader: Reader) -> None:
    reader.hub.faults.add(Fault("ignore_range", match=FROM_CDN, times=None))
    reader.hub.faults.add(Fault("truncate", match=FROM_CDN, after_bytes=300_000, times=None))

    with pytest.raises(HubUnavailableError, match="3 times in a row"):
        reader.files(attempts=3).open(WEIGHTS).read(1, 699_999)


def test_a_token_that_is_refused_midway_is_told_as_a_refusal() -> None:
    head = Answer(200, {"Content-Length": "100"})
    refused = Answer(401, {"X-Error-Message": "Invalid credentials in Authorization header"})
    with (
        scripted_server(head, refused) as hub,
        closing(HubFiles(Source(hub.url, REPO_ID, "abc"), TOKEN)) as files,
    ):
        file = files.open("a")
        with pytest.raises(
            HubAccessRefusedError, match=r"HTTP 401 \(Invalid credentials"
        ) as raised:
            file.read(0, 5)
    assert TOKEN not in str(raised.value)


def test_a_file_that_is_replaced_midway_is_not_mixed_with_its_successor(
    reader: Reader, repository: Repository
) -> None:
    file = reader.files().open(WEIGHTS)
    (repository.directory / WEIGHTS).write_bytes(bytes_of(700_000, seed=9))
    reader.hub.faults.add(Fault("expire", match=FROM_CDN))

    with pytest.raises((ChecksumMismatchError, RevisionNotFoundError)):
        file.read(0, 10)


def test_a_commit_that_has_other_bytes_meanwhile_is_told_when_the_location_expires(
    reader: Reader, repository: Repository, tmp_path: Path
) -> None:
    file = reader.files().open(WEIGHTS)
    other = tmp_path / "other"
    other.mkdir()
    (other / WEIGHTS).write_bytes(bytes_of(700_000, seed=9))
    cast("dict[str, Path]", repository.refs)[f"refs/heads/{reader.source.commit}"] = other
    reader.hub.faults.add(Fault("expire", match=FROM_CDN))

    with pytest.raises(ChecksumMismatchError, match="at a later request"):
        file.read(0, 10)


def test_a_wait_that_would_outlast_the_patience_is_not_begun(reader: Reader) -> None:
    reader.hub.faults.add(Fault("status", match="HEAD", status=429, reset_seconds=200))

    with pytest.raises(HubUnavailableError, match="it answered 429 and asks to wait 200 s, once"):
        reader.files(patience_seconds=199).open(WEIGHTS)
    assert reader.waits == []


def test_every_failure_that_is_tried_again_is_told(reader: Reader) -> None:
    reader.hub.faults.add(
        Fault("status", match="HEAD", status=429), Fault("truncate", match=FROM_CDN, after_bytes=1)
    )
    told: list[TransientError] = []
    files = reader.files()
    files.report_failures(told.append)

    files.open(WEIGHTS).read_all(700_000)

    assert [failed.is_throttling for failed in told] == [True, False]


@pytest.mark.parametrize("after_bytes", [None, 0, 300_000])
def test_a_range_can_be_abandoned_wherever_it_is(reader: Reader, after_bytes: int | None) -> None:
    fault = (
        Fault("status", match=FROM_CDN, status=500, times=None)
        if after_bytes is None
        else Fault("stall", match=FROM_CDN, after_bytes=after_bytes)
    )
    reader.hub.faults.add(fault)
    file = reader.files(sleep=None, read_timeout_seconds=60).open(WEIGHTS)
    read = RangeRead(0, memoryview(bytearray(700_000)), wake=threading.Event())

    with ThreadPoolExecutor() as threads:
        reading = threads.submit(file.fill, read)
        if after_bytes is not None:
            assert reader.hub.faults.wait_until_stalled()
        read.abandon()
        with pytest.raises(RangeAbandonedError):
            reading.result(HANG_SECONDS)


def test_a_cut_connection_costs_no_byte(reader: Reader) -> None:
    reader.hub.faults.add(Fault("stall", match=FROM_CDN, after_bytes=300_000))
    file = reader.files(read_timeout_seconds=60).open(WEIGHTS)
    content = bytearray(700_000)
    read = RangeRead(0, memoryview(content), clock=iter(range(1000)).__next__)

    with ThreadPoolExecutor() as threads:
        reading = threads.submit(file.fill, read)
        assert reader.hub.faults.wait_until_stalled()
        assert read.silence(1000) > 0
        read.cut_connection()
        reading.result(HANG_SECONDS)

    assert content == SHARD
    assert read.silence(1000) == 0


def test_bytes_of_another_range_than_the_one_asked_for_are_never_taken(reader: Reader) -> None:
    reader.hub.faults.add(Fault("wrong_content_range", match=FROM_CDN, times=None))
    file = reader.files(attempts=2).open(WEIGHTS)

    with pytest.raises(
        HubUnavailableError, match="the request was for bytes 0-9, but 'bytes 1-10/"
    ):
        file.read(0, 10)


def test_encoded_bytes_are_neither_asked_for_nor_taken() -> None:
    head = Answer(200, {"Content-Length": "100"})
    encoded = Answer(206, {"Content-Range": "bytes 0-4/100", "Content-Encoding": "gzip"}, b"12345")
    with (
        scripted_server(head, encoded) as hub,
        closing(HubFiles(Source(hub.url, REPO_ID, "abc"))) as files,
    ):
        file = files.open("a")
        with pytest.raises(HubUnavailableError, match="encoded as gzip"):
            file.read(0, 5)
    assert {request.headers["accept-encoding"] for request in hub.requests} == {"identity"}


def test_a_server_that_does_not_say_how_long_a_file_is_cannot_be_read() -> None:
    with (
        scripted_server(Answer(302, {"Location": "/elsewhere"})) as hub,
        closing(HubFiles(Source(hub.url, REPO_ID, "abc"))) as files,
        pytest.raises(HubUnavailableError, match="it redirected 10 times"),
    ):
        files.open("a")


def test_a_silent_connection_is_cut_and_the_rest_asked_for_again(reader: Reader) -> None:
    reader.hub.faults.add(Fault("stall", match=FROM_CDN, after_bytes=300_000))
    files = reader.files(read_timeout_seconds=HANG_SECONDS)
    file = files.open(WEIGHTS)
    # For one request: a busy machine is silent for so long at any time.
    impatient = HttpPools(connections=1, connect_timeout_seconds=60, read_timeout_seconds=0.1)
    patient, files._pools = files._pools, impatient
    files.report_failures(lambda _: setattr(files, "_pools", patient))

    with closing(impatient):
        assert file.read_all(700_000) == SHARD
    assert len(reader.ranges_from_cdn()) == 2


@pytest.mark.parametrize("after_bytes", [0, 300_000])
def test_closing_wakes_a_thread_that_waits_for_bytes(reader: Reader, after_bytes: int) -> None:
    reader.hub.faults.add(Fault("stall", match=FROM_CDN, after_bytes=after_bytes))
    files = reader.files(read_timeout_seconds=60)
    file = files.open(WEIGHTS)

    with ThreadPoolExecutor() as threads:
        reading = threads.submit(file.read, 0, 700_000)
        assert reader.hub.faults.wait_until_stalled()
        files.close()
        with pytest.raises(PoolsClosedError):
            reading.result(HANG_SECONDS)


def test_closing_wakes_a_thread_that_waits_for_an_answer() -> None:
    with scripted_server(Answer(holds=True)) as hub, ThreadPoolExecutor() as threads:
        files = HubFiles(Source(hub.url, REPO_ID, "abc"), read_timeout_seconds=60)
        opening = threads.submit(files.open, "a")
        assert hub.asked.wait(HANG_SECONDS)
        files.close()
        with pytest.raises(PoolsClosedError):
            opening.result(HANG_SECONDS)


def test_closing_ends_the_waits_between_attempts() -> None:
    with scripted_server(Answer(429, {"RateLimit": '"api";r=0;t=300'})) as hub:
        files = HubFiles(Source(hub.url, REPO_ID, "abc"), patience_seconds=1000)
        failed = threading.Event()
        files.report_failures(lambda _: failed.set())
        with ThreadPoolExecutor() as threads:
            opening = threads.submit(files.open, "a")
            assert failed.wait(HANG_SECONDS)
            files.close()
            with pytest.raises(PoolsClosedError):
                opening.result(HANG_SECONDS)


def test_a_proxy_of_the_environment_is_used_with_its_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    head = Answer(200, {"Content-Length": "5"})
    part = Answer(206, {"Content-Range": "bytes 0-4/5"}, b"12345")
    with scripted_server(head, part) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("://", "://user:word@"))
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        with closing(HubFiles(Source("http://hub.example", REPO_ID, "abc"))) as files:
            assert files.open("a").read(0, 5) == b"12345"

    target = f"http://hub.example/{REPO_ID}/resolve/abc/a"
    assert [request.target for request in proxy.requests] == [target, target]
    assert {request.headers["proxy-authorization"] for request in proxy.requests} == {
        "Basic dXNlcjp3b3Jk"
    }


def test_a_proxy_for_https_is_a_tunnel_that_sees_neither_token_nor_location(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, bundle = self_signed(tmp_path)
    head = Answer(200, {"Content-Length": "5"})
    part = Answer(206, {"Content-Range": "bytes 0-4/5"}, b"12345")
    with scripted_server(head, part, tls=tls) as hub, connect_proxy() as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
        with closing(HubFiles(Source(hub.url, REPO_ID, "abc"), TOKEN)) as files:
            assert files.open("a").read(0, 5) == b"12345"

    assert set(proxy.asked) == {f"CONNECT 127.0.0.1:{hub.server_port} HTTP/1.1"}
    assert len(hub.requests) == 2


def test_a_host_of_no_proxy_is_asked_directly(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    assert reader.files().open("config.json").read_all(100) == CONFIG


@pytest.mark.parametrize("is_given", [True, False])
def test_a_certificate_authority_of_ones_own_is_trusted_when_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_given: bool
) -> None:
    tls, bundle = self_signed(tmp_path)
    part = Answer(206, {"Content-Range": "bytes 0-4/5"}, b"12345")
    head = Answer(200, {"Content-Length": "5"})
    with scripted_server(head, part, tls=tls) as hub:
        source = Source(hub.url, REPO_ID, "abc")
        with (
            closing(HubFiles(source)) as files,
            pytest.raises(
                CertificateUntrustedError, match=r"of 127\.0\.0\.1 is not .* self-signed"
            ),
        ):
            files.open("a")
        if not is_given:
            monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
        with closing(HubFiles(source, ca_bundle=str(bundle) if is_given else None)) as files:
            assert files.open("a").read(0, 5) == b"12345"


def test_closing_wakes_a_thread_that_waits_on_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, bundle = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    with scripted_server(Answer(holds=True), tls=tls) as hub, ThreadPoolExecutor() as threads:
        files = HubFiles(Source(hub.url, REPO_ID, "abc"), read_timeout_seconds=60)
        opening = threads.submit(files.open, "a")
        assert hub.asked.wait(HANG_SECONDS)
        files.close()
        with pytest.raises(PoolsClosedError):
            opening.result(HANG_SECONDS)
