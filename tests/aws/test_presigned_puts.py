"""Bodies sent to S3 by presigned requests, to a server that answers as S3 does on a bad day."""

from __future__ import annotations

import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, SSLError
from support.servers.certificates import self_signed
from support.servers.scripted_server import Answer, scripted_server
from support.waiting import HANG_SECONDS
from support.worlds.loopback_transfer import s3_client

from model_import.aws.bucket_owner import expecting_owner
from model_import.checksums.crc64 import crc64, crc64_base64
from model_import.staging.presigned_puts import PresignedPuts
from model_import.transport.pools import PoolsClosedError
from model_import.transport.retries import Retries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.servers.scripted_server import ScriptedServer

BODY = memoryview(b"the bytes of a part")
STORED = Answer(200, {"ETag": '"abc"'})


def error(status: int, code: str) -> Answer:
    """Return an answer as S3 refuses."""
    xml = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>Told to.</Message></Error>"
    return Answer(status, {"Content-Type": "application/xml"}, xml.encode())


@contextmanager
def puts_to(
    server: ScriptedServer,
    waits: list[float] | None = None,
    attempts: int = 8,
    on_sent: Callable[[int], None] = lambda _: None,
    ca_bundle: str | None = None,
) -> Iterator[PresignedPuts]:
    """Send to a server, without waiting between attempts."""
    client = s3_client(server.url)
    sleep = (waits if waits is not None else []).append
    retries = Retries(attempts, threading.Event(), sleep)
    puts = PresignedPuts(
        client, "staging", connections=1, retries=retries, on_sent=on_sent, ca_bundle=ca_bundle
    )
    yield puts
    puts.close()
    client.close()


def put_part(puts: PresignedPuts) -> str:
    return puts.put_part("models/a b.safetensors", "id", 3, BODY, crc64(BODY))


def test_a_part_is_sent_as_it_is_with_its_checksum_signed() -> None:
    with scripted_server(STORED) as s3, puts_to(s3) as puts:
        assert put_part(puts) == '"abc"'

    [request] = s3.requests
    query = parse_qs(urlsplit(request.target).query)
    assert request.method == "PUT"
    assert urlsplit(request.target).path == "/staging/models/a%20b.safetensors"
    assert request.body == BODY
    assert request.headers["x-amz-checksum-crc64nvme"] == crc64_base64(crc64(BODY))
    assert query["partNumber"] == ["3"]
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-SignedHeaders"] == ["host;x-amz-checksum-crc64nvme"]


def test_a_long_body_is_told_as_it_leaves() -> None:
    body = memoryview(bytes(range(250)) * 40_000)
    sent: list[int] = []
    with scripted_server(STORED) as s3, puts_to(s3, on_sent=sent.append) as puts:
        puts.put_part("a", "id", 1, body, crc64(body))

    assert s3.requests[0].body == body
    assert s3.requests[0].headers["content-length"] == str(len(body))
    assert len(sent) > 1
    assert sum(sent) == len(body)


def test_the_metadata_and_tags_of_a_whole_object_are_sent_and_signed() -> None:
    with scripted_server(STORED) as s3, puts_to(s3) as puts:
        metadata = {"sha256": "ab", "blob-id": "cd"}
        puts.put_object("a", memoryview(b""), 0, metadata, tagging="team=nlp")

    [request] = s3.requests
    signed = parse_qs(urlsplit(request.target).query)["X-Amz-SignedHeaders"][0].split(";")
    assert request.headers["content-length"] == "0"
    assert request.headers["x-amz-meta-sha256"] == "ab"
    assert request.headers["x-amz-meta-blob-id"] == "cd"
    assert request.headers["x-amz-tagging"] == "team=nlp"
    assert {"x-amz-meta-sha256", "x-amz-meta-blob-id", "x-amz-tagging"} <= set(signed)


@pytest.mark.parametrize(
    "bad_day",
    [
        error(500, "InternalError"),
        error(503, "SlowDown"),
        error(400, "RequestTimeout"),
        error(400, "BadDigest"),
        error(400, "ExpiredToken"),
        error(403, "RequestTimeTooSkewed"),
        Answer(502, {}, b"<html><body>Bad Gateway</body></html>"),
        Answer(hangs_up=True),
    ],
    ids=lambda answer: answer.body.decode()[28:60] or "no answer",
)
def test_what_passes_is_tried_again_and_signed_anew(bad_day: Answer) -> None:
    waits: list[float] = []
    with scripted_server(bad_day, bad_day, STORED) as s3, puts_to(s3, waits) as puts:
        assert put_part(puts) == '"abc"'

    assert len(waits) == 2
    assert [request.body for request in s3.requests] == [BODY] * 3


def test_a_refusal_is_told_at_once_as_boto3_tells_it() -> None:
    waits: list[float] = []
    with (
        scripted_server(error(403, "AccessDenied")) as s3,
        puts_to(s3, waits) as puts,
        pytest.raises(ClientError, match=r"\(AccessDenied\) .* the UploadPart operation: Told to."),
    ):
        put_part(puts)
    assert waits == []


def test_a_refusal_that_stays_is_told_when_the_attempts_are_used_up() -> None:
    with (
        scripted_server(error(503, "SlowDown")) as s3,
        puts_to(s3, attempts=3) as puts,
        pytest.raises(ClientError, match=r"\(SlowDown\)"),
    ):
        put_part(puts)
    assert len(s3.requests) == 3


def test_no_answer_at_all_is_told_without_the_signature() -> None:
    with (
        scripted_server(Answer(hangs_up=True)) as s3,
        puts_to(s3, attempts=2) as puts,
        pytest.raises(ConnectionClosedError) as raised,
    ):
        put_part(puts)
    assert "Signature" not in "".join(traceback.format_exception(raised.value))


def test_closing_wakes_a_thread_that_waits_for_an_answer() -> None:
    with (
        scripted_server(Answer(holds=True)) as s3,
        puts_to(s3) as puts,
        ThreadPoolExecutor() as threads,
    ):
        putting = threads.submit(put_part, puts)
        assert s3.asked.wait(HANG_SECONDS)
        puts.close()
        with pytest.raises(PoolsClosedError):
            putting.result(HANG_SECONDS)


def test_a_server_that_cannot_prove_to_be_s3_gets_no_body_and_no_second_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    tls, bundle = self_signed(tmp_path)
    waits: list[float] = []
    with scripted_server(STORED, tls=tls) as s3:
        with puts_to(s3, waits) as puts, pytest.raises(SSLError):
            put_part(puts)
        assert s3.requests == []
        assert waits == []

        with puts_to(s3, ca_bundle=str(bundle)) as puts:
            assert put_part(puts) == '"abc"'


def test_the_account_that_the_bucket_must_belong_to_is_sent_and_signed() -> None:
    with scripted_server(STORED) as s3:
        client = expecting_owner(s3_client(s3.url), "123456789012")
        retries = Retries(1, threading.Event())
        puts = PresignedPuts(client, "staging", connections=1, retries=retries)
        put_part(puts)
        puts.close()
        client.close()

    [request] = s3.requests
    signed = parse_qs(urlsplit(request.target).query)["X-Amz-SignedHeaders"][0].split(";")
    assert request.headers["x-amz-expected-bucket-owner"] == "123456789012"
    assert "x-amz-expected-bucket-owner" in signed
