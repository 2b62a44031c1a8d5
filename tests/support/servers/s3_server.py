"""An S3 on loopback that checks what the transfer relies on, and fails on request.

Moto has no checksums of parts and copies. This server checks the CRC-64/NVME, size, ETags and owner
of each part and object as S3 documents it, and records every request.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from support.servers.loopback_http import LoopbackHandler, LoopbackServer

from model_import.checksums.crc64 import crc64, crc64_base64, joined_crc64

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from support.servers.loopback_http import Request

OWNER: Final = "123456789012"
_BEGAN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_SKEW: Final = timedelta(minutes=20)
"""How far the clock of S3 is ahead in a RequestTimeTooSkewed answer."""


@dataclass(frozen=True)
class S3Fault:
    """A fault in the requests whose "Operation key partNumber" matches.

    `refuse` answers with `status` and `code`. `drop` closes the connection before the request is
    carried out, `lose_answer` after it. `wrong_etag` answers with an ETag that it does not keep.
    `vanish` aborts the upload first. `stall` waits for `S3Server.release` before it answers.
    """

    kind: Literal["refuse", "drop", "lose_answer", "wrong_etag", "vanish", "stall"]
    match: str = ""
    times: float = 1
    skip: int = 0
    status: int = 500
    code: str = "InternalError"


@dataclass
class _Armed:
    fault: S3Fault
    left: float
    passes: int


@dataclass(frozen=True)
class S3Request:
    """A received request."""

    operation: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def line(self) -> str:
        """Return the form in which faults match a request."""
        return f"{self.operation} {self.key} {self.query.get('partNumber', '')}".strip()


@dataclass(frozen=True)
class S3Part:
    content: bytes
    etag: str


@dataclass
class S3Upload:
    """An upload that is open."""

    key: str
    metadata: dict[str, str]
    algorithm: str
    checksum_type: str
    initiated: datetime
    parts: dict[int, S3Part] = field(default_factory=dict)


@dataclass(frozen=True)
class S3Object:
    content: bytes
    metadata: Mapping[str, str]
    etag: str
    has_full_checksum: bool = True


class _Refusal(Exception):  # noqa: N818 it is an answer
    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


def etag_of(content: bytes) -> str:
    """Return the ETag that S3 gives a body."""
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


class S3Server(LoopbackServer):
    """Keeps one bucket, whatever its name."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.objects: dict[str, S3Object] = {}
        self.uploads: dict[str, S3Upload] = {}
        self.requests: list[S3Request] = []
        self.struck: list[S3Fault] = []
        self.keeps_checksums = True
        self.lock = threading.RLock()
        self.stalled = threading.Event()
        self._released = threading.Event()
        self._armed: list[_Armed] = []
        self._serials = itertools.count(1)

    def add(self, *faults: S3Fault) -> None:
        """Arm these faults."""
        with self.lock:
            self._armed += [_Armed(fault, fault.times, fault.skip) for fault in faults]

    def clear_faults(self) -> None:
        """Disarm all faults."""
        with self.lock:
            self._armed.clear()

    def release(self) -> None:
        """Send every stalled answer, and stall no more."""
        self._released.set()

    def wait_for_release(self) -> None:
        self.stalled.set()
        self._released.wait()

    def requests_of(self, operation: str) -> list[S3Request]:
        """Return the requests of one operation."""
        with self.lock:
            return [request for request in self.requests if request.operation == operation]

    def take_fault(self, line: str) -> S3Fault | None:
        with self.lock:
            for armed in self._armed:
                if not armed.left or not re.search(armed.fault.match, line):
                    continue
                if armed.passes:
                    armed.passes -= 1
                    continue
                armed.left -= 1
                self.struck.append(armed.fault)
                return armed.fault
        return None

    def open_upload(
        self,
        key: str,
        metadata: Mapping[str, str] | None = None,
        algorithm: str = "CRC64NVME",
        checksum_type: str = "FULL_OBJECT",
    ) -> str:
        """Return the id of a new upload."""
        with self.lock:
            serial = next(self._serials)
            upload_id = f"upload-{serial}"
            initiated = _BEGAN + timedelta(seconds=serial)
            self.uploads[upload_id] = S3Upload(
                key, dict(metadata or {}), algorithm, checksum_type, initiated
            )
            return upload_id


type Answer = tuple[int, dict[str, str], bytes]


class _Handler(LoopbackHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: S3Server

    def serve(self, request: Request) -> None:
        parts = urlsplit(request.target)
        query = {
            name: values[0]
            for name, values in parse_qs(parts.query, True).items()  # noqa: FBT003
        }
        key = unquote(parts.path).lstrip("/").partition("/")[2]
        operation = _operation(request.method, key, query, request.headers)
        asked = S3Request(operation, key, query, request.headers, request.body)
        with self.server.lock:
            self.server.requests.append(asked)
        fault = self.server.take_fault(asked.line)
        if fault is not None and fault.kind == "drop":
            self._hang_up()
            return
        answer = self._answer(asked, fault)
        if fault is not None and fault.kind == "stall":
            self.server.wait_for_release()
        if fault is not None and fault.kind == "lose_answer":
            self._hang_up()
            return
        self.answer(*answer)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, asked: S3Request, fault: S3Fault | None) -> Answer:
        try:
            return self._carry_out(asked, fault)
        except _Refusal as refusal:
            code = f"<Code>{refusal.code}</Code><Message>Told to.</Message>"
            skew = _SKEW if refusal.code == "RequestTimeTooSkewed" else timedelta()
            date = format_datetime(datetime.now(UTC) + skew, usegmt=True)
            return (
                refusal.status,
                {"Content-Type": "application/xml", "Date": date},
                f"<?xml version='1.0'?><Error>{code}</Error>".encode(),
            )

    def _carry_out(self, asked: S3Request, fault: S3Fault | None) -> Answer:
        kind = None if fault is None else fault.kind
        if fault is not None and kind == "refuse":
            raise _Refusal(fault.status, fault.code)
        if asked.headers.get("x-amz-expected-bucket-owner", OWNER) != OWNER:
            raise _Refusal(403, "AccessDenied")
        with self.server.lock:
            if kind == "vanish":
                self.server.uploads.pop(asked.query["uploadId"], None)
            answer: Answer = getattr(self, f"_{asked.operation}")(asked)
        if kind == "wrong_etag":
            answer[1]["ETag"] = '"0123456789abcdef0123456789abcdef"'
        return answer

    # The operations

    def _CreateBucket(self, _: S3Request) -> Answer:  # noqa: N802
        return 200, {}, b""

    _DeleteBucket = _CreateBucket

    def _PutObject(self, asked: S3Request) -> Answer:  # noqa: N802
        _check_crc(asked.headers, asked.body)
        if asked.headers.get("if-none-match") == "*" and asked.key in self.server.objects:
            raise _Refusal(412, "PreconditionFailed")
        self.server.objects[asked.key] = S3Object(
            asked.body, _metadata(asked.headers), etag_of(asked.body)
        )
        return 200, {"ETag": etag_of(asked.body)}, b""

    def _GetObject(self, asked: S3Request) -> Answer:  # noqa: N802
        found = self.server.objects.get(asked.key)
        if found is None:
            raise _Refusal(404, "NoSuchKey")
        headers = {f"x-amz-meta-{name}": value for name, value in found.metadata.items()}
        if self.server.keeps_checksums and found.has_full_checksum:
            headers["x-amz-checksum-crc64nvme"] = crc64_base64(crc64(found.content))
            headers["x-amz-checksum-type"] = "FULL_OBJECT"
        headers["ETag"] = found.etag
        if asked.headers.get("if-match", found.etag) != found.etag:
            raise _Refusal(412, "PreconditionFailed")
        if "range" not in asked.headers:
            return 200, headers, found.content
        first, last = asked.headers["range"].removeprefix("bytes=").split("-")
        headers["Content-Range"] = f"bytes {first}-{last}/{len(found.content)}"
        return 206, headers, found.content[int(first) : int(last) + 1]

    _HeadObject = _GetObject

    def _DeleteObject(self, asked: S3Request) -> Answer:  # noqa: N802
        self.server.objects.pop(asked.key, None)
        return 204, {}, b""

    def _ListObjectsV2(self, asked: S3Request) -> Answer:  # noqa: N802
        prefix = asked.query.get("prefix", "")
        keys = sorted(key for key in self.server.objects if key.startswith(prefix))
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key>"
            f"<Size>{len(self.server.objects[key].content)}</Size></Contents>"
            for key in keys
        )
        return _xml("ListBucketResult", f"<IsTruncated>false</IsTruncated>{entries}")

    def _CreateMultipartUpload(self, asked: S3Request) -> Answer:  # noqa: N802
        upload_id = self.server.open_upload(
            asked.key,
            _metadata(asked.headers),
            asked.headers.get("x-amz-checksum-algorithm", ""),
            asked.headers.get("x-amz-checksum-type", ""),
        )
        return _xml("InitiateMultipartUploadResult", f"<UploadId>{upload_id}</UploadId>")

    def _UploadPart(self, asked: S3Request) -> Answer:  # noqa: N802
        _check_crc(asked.headers, asked.body)
        # The upload id is part of it: with SSE-KMS, too, an ETag is not a hash of the bytes.
        part = S3Part(asked.body, etag_of(asked.query["uploadId"].encode() + asked.body))
        self._upload(asked).parts[int(asked.query["partNumber"])] = part
        return 200, {"ETag": part.etag}, b""

    def _UploadPartCopy(self, asked: S3Request) -> Answer:  # noqa: N802
        source_key = unquote(asked.headers["x-amz-copy-source"]).lstrip("/").partition("/")[2]
        source = self.server.objects.get(source_key)
        if source is None:
            raise _Refusal(404, "NoSuchKey")
        if asked.headers.get("x-amz-copy-source-if-match", source.etag) != source.etag:
            raise _Refusal(412, "PreconditionFailed")
        first, last = asked.headers["x-amz-copy-source-range"].removeprefix("bytes=").split("-")
        content = source.content[int(first) : int(last) + 1]
        self._UploadPart(replace(asked, body=content, headers={}))
        etag = self._upload(asked).parts[int(asked.query["partNumber"])].etag
        checksum = f"<ChecksumCRC64NVME>{crc64_base64(crc64(content))}</ChecksumCRC64NVME>"
        return _xml("CopyPartResult", f"<ETag>{escape(etag)}</ETag>{checksum}")

    def _ListParts(self, asked: S3Request) -> Answer:  # noqa: N802
        after = int(asked.query.get("part-number-marker", "0"))
        numbers = sorted(n for n in self._upload(asked).parts if n > after)
        shown = numbers[:1000]
        entries = "".join(self._listed_part(asked, number) for number in shown)
        more = (
            f"<IsTruncated>{str(len(numbers) > len(shown)).lower()}</IsTruncated>"
            f"<NextPartNumberMarker>{shown[-1] if shown else 0}</NextPartNumberMarker>"
        )
        return _xml("ListPartsResult", more + entries)

    def _listed_part(self, asked: S3Request, number: int) -> str:
        part = self._upload(asked).parts[number]
        checksum = f"<ChecksumCRC64NVME>{crc64_base64(crc64(part.content))}</ChecksumCRC64NVME>"
        return (
            f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(part.etag)}</ETag>"
            f"<Size>{len(part.content)}</Size>{checksum * self.server.keeps_checksums}</Part>"
        )

    def _ListMultipartUploads(self, asked: S3Request) -> Answer:  # noqa: N802
        entries = "".join(
            f"<Upload><Key>{escape(upload.key)}</Key><UploadId>{upload_id}</UploadId>"
            f"<Initiated>{upload.initiated:%Y-%m-%dT%H:%M:%S.000Z}</Initiated>"
            f"<ChecksumAlgorithm>{upload.algorithm}</ChecksumAlgorithm>"
            f"<ChecksumType>{upload.checksum_type}</ChecksumType></Upload>"
            for upload_id, upload in self.server.uploads.items()
            if upload.key.startswith(asked.query.get("prefix", ""))
        )
        return _xml("ListMultipartUploadsResult", f"<IsTruncated>false</IsTruncated>{entries}")

    def _CompleteMultipartUpload(self, asked: S3Request) -> Answer:  # noqa: N802
        upload = self._upload(asked)
        numbers = [int(n) for n in re.findall(rb"<PartNumber>(\d+)</PartNumber>", asked.body)]
        etags = [tag.decode() for tag in re.findall(rb"<ETag>(.*?)</ETag>", asked.body)]
        if numbers != sorted(set(numbers)):
            raise _Refusal(400, "InvalidPartOrder")
        kept = [upload.parts.get(number, S3Part(b"", "")) for number in numbers]
        if [part.etag for part in kept] != [tag.replace("&quot;", '"') for tag in etags]:
            raise _Refusal(400, "InvalidPart")
        crc = joined_crc64((crc64(part.content), len(part.content)) for part in kept)
        content = b"".join(part.content for part in kept)
        if asked.headers.get("x-amz-checksum-crc64nvme") != crc64_base64(crc):
            raise _Refusal(400, "BadDigest")
        if int(asked.headers.get("x-amz-mp-object-size", len(content))) != len(content):
            raise _Refusal(400, "InvalidRequest")
        del self.server.uploads[asked.query["uploadId"]]
        etag = f'{etag_of(content)[:-1]}-{len(kept)}"'
        self.server.objects[asked.key] = S3Object(content, upload.metadata, etag)
        return _xml("CompleteMultipartUploadResult", f"<ETag>{escape(etag)}</ETag>")

    def _AbortMultipartUpload(self, asked: S3Request) -> Answer:  # noqa: N802
        self._upload(asked)
        del self.server.uploads[asked.query["uploadId"]]
        return 204, {}, b""

    def _upload(self, asked: S3Request) -> S3Upload:
        upload = self.server.uploads.get(asked.query["uploadId"])
        if upload is None or upload.key != asked.key:
            raise _Refusal(404, "NoSuchUpload")
        return upload


def _operation(method: str, key: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """Return S3's name of the requested operation."""
    if "uploadId" in query:
        part = "UploadPartCopy" if "x-amz-copy-source" in headers else "UploadPart"
        return {
            "PUT": part,
            "GET": "ListParts",
            "POST": "CompleteMultipartUpload",
            "DELETE": "AbortMultipartUpload",
        }[method]
    if "uploads" in query:
        return "CreateMultipartUpload" if method == "POST" else "ListMultipartUploads"
    if not key:
        return {"PUT": "CreateBucket", "DELETE": "DeleteBucket"}.get(method, "ListObjectsV2")
    return {
        "PUT": "PutObject",
        "GET": "GetObject",
        "HEAD": "HeadObject",
        "DELETE": "DeleteObject",
    }[method]


def _check_crc(headers: Mapping[str, str], body: bytes) -> None:
    if headers.get("x-amz-checksum-crc64nvme", crc64_base64(crc64(body))) != crc64_base64(
        crc64(body)
    ):
        raise _Refusal(400, "BadDigest")


def _metadata(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix("x-amz-meta-"): value
        for name, value in headers.items()
        if name.startswith("x-amz-meta-")
    }


def _xml(name: str, content: str) -> Answer:
    text = f"<?xml version='1.0'?><{name}>{content}</{name}>"
    return 200, {"Content-Type": "application/xml"}, text.encode()


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Serve until the end of the block."""
    with S3Server() as server, server.serving():
        try:
            yield server
        finally:
            server.release()
