"""An S3 on loopback that checks the bytes it receives, keeps the checksums and drops the bytes.

    python -m benchmarks.sink JOB.json

Every bucket exists. Objects of up to 1 MiB are kept, because slices and reports are read again.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from awscrt.checksums import combine_crc64nvme, crc32, crc64nvme

from benchmarks.http_wire import ChunkedBody, Network, Server, Tls, listen
from benchmarks.sink_records import KEPT_BYTES_AT_MOST, PartRecord, SinkRecords

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.http_wire import Connection, Request

_STEP_BYTES: Final = 512 * 1024
_MODIFIED: Final = "Sun, 22 Nov 2026 00:00:00 GMT"
_MODIFIED_ISO: Final = "2026-11-22T00:00:00.000Z"
_CHECKED: Final = ("x-amz-checksum-crc64nvme", "x-amz-checksum-crc32")


class S3Error(Exception):
    """An error with its S3 code."""

    def __init__(self, status: HTTPStatus, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Received:
    """The figures of a received body; `kept` has its bytes if it is small."""

    size_bytes: int
    crc64: int
    kept: bytes | None

    @property
    def etag(self) -> str:
        """Return an ETag that no client mistakes for an MD5."""
        return f'"{self.crc64:016x}{self.size_bytes:016x}-1"'


@dataclass(frozen=True, slots=True)
class Sink:
    """Answers the S3 requests of this transfer and of the peers."""

    records: SinkRecords
    buffers: threading.local

    def handle(self, connection: Connection, request: Request) -> None:
        try:
            self._answer(connection, request)
        except S3Error as error:
            body = (
                f"<Error><Code>{error.code}</Code><Message>{escape(str(error))}</Message></Error>"
            )
            is_head = request.method == "HEAD"
            connection.respond(error.status, {}, b"" if is_head else body.encode())

    def _answer(self, connection: Connection, request: Request) -> None:
        bucket, _, key = request.path.lstrip("/").partition("/")
        operation = (request.method, *sorted(request.query.keys() & _SUBRESOURCES))
        match operation:
            case ("PUT", "partNumber", "uploadId"):
                self._put_part(connection, request)
            case ("PUT",) if key:
                self._put_object(connection, request, key)
            case ("POST", "uploads"):
                upload_id = self.records.open_upload(key, _metadata(request))
                _discard(connection, request)
                names = {"Bucket": bucket, "Key": key, "UploadId": upload_id}
                _send_xml(connection, "InitiateMultipartUploadResult", _elements(names))
            case ("POST", "uploadId"):
                self._complete(connection, request, bucket, key)
            case ("GET", "uploadId"):
                self._list_parts(connection, request, bucket, key)
            case ("GET", "uploads"):
                self._list_uploads(connection, bucket)
            case ("DELETE", *_):
                self.records.delete(key, request.query.get("uploadId"))
                connection.respond(HTTPStatus.NO_CONTENT)
            case ("GET" | "HEAD", *_) if key:
                self._get_object(connection, request, key)
            case ("GET", *_):
                self._list_objects(connection, request, bucket)
            case _:
                _discard(connection, request)
                connection.respond(HTTPStatus.OK)

    def _put_part(self, connection: Connection, request: Request) -> None:
        received = self._receive(connection, request)
        part = PartRecord(
            int(request.query["partNumber"]), received.size_bytes, received.crc64, received.etag
        )
        if not self.records.put_part(request.query["uploadId"], part):
            raise _no_such_upload()
        checksum = {"x-amz-checksum-crc64nvme": _base64(received.crc64)}
        connection.respond(HTTPStatus.OK, {"ETag": received.etag, **checksum})

    def _put_object(self, connection: Connection, request: Request, key: str) -> None:
        received = self._receive(connection, request)
        self.records.put_object(
            key, received.size_bytes, received.crc64, _metadata(request), received.kept
        )
        connection.respond(HTTPStatus.OK, {"ETag": received.etag})

    def _complete(self, connection: Connection, request: Request, bucket: str, key: str) -> None:
        listed = ET.fromstring(_read_body(connection, request))  # noqa: S314 from this machine
        upload_id = request.query["uploadId"]
        parts = self.records.parts(upload_id)
        if parts is None:
            raise _no_such_upload()
        numbers = [int(number.text or "") for number in listed.iterfind("{*}Part/{*}PartNumber")]
        etags = [etag.text or "" for etag in listed.iterfind("{*}Part/{*}ETag")]
        size_bytes, crc = 0, 0
        for number, etag in zip(numbers, etags, strict=True):
            part = parts.get(number)
            if part is None or part.etag.strip('"') != etag.strip('"'):
                raise S3Error(HTTPStatus.BAD_REQUEST, "InvalidPart", f"Part {number} is not there")
            size_bytes += part.size_bytes
            crc = combine_crc64nvme(crc, part.crc64, part.size_bytes)
        _check(request.headers, {"x-amz-checksum-crc64nvme": _base64(crc)})
        announced = int(request.headers.get("x-amz-mp-object-size", size_bytes))
        if announced != size_bytes:
            raise S3Error(HTTPStatus.BAD_REQUEST, "InvalidRequest", f"There are {size_bytes} bytes")
        self.records.complete(upload_id, key, size_bytes, crc)
        names = {
            "Bucket": bucket,
            "Key": key,
            "ETag": f'"{crc:032x}-{len(numbers)}"',
            "ChecksumCRC64NVME": _base64(crc),
            "ChecksumType": "FULL_OBJECT",
        }
        _send_xml(connection, "CompleteMultipartUploadResult", _elements(names))

    def _list_parts(self, connection: Connection, request: Request, bucket: str, key: str) -> None:
        parts = self.records.parts(request.query["uploadId"])
        if parts is None:
            raise _no_such_upload()
        after = int(request.query.get("part-number-marker", "0"))
        at_most = int(request.query.get("max-parts", "1000"))
        left = [part for number, part in sorted(parts.items()) if number > after]
        page = left[:at_most]
        names = {"Bucket": bucket, "Key": key, "UploadId": request.query["uploadId"]}
        names |= {"IsTruncated": str(len(left) > len(page)).lower()}
        names |= {"NextPartNumberMarker": str(page[-1].number if page else after)}
        names |= {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"}
        _send_xml(connection, "ListPartsResult", _elements(names) + "".join(map(_part, page)))

    def _list_uploads(self, connection: Connection, bucket: str) -> None:
        uploads = "".join(
            f"<Upload>{_elements({'Key': key, 'UploadId': upload_id})}"
            f"<Initiated>{_MODIFIED_ISO}</Initiated></Upload>"
            for upload_id, key in self.records.open_uploads()
        )
        names = {"Bucket": bucket, "IsTruncated": "false"}
        _send_xml(connection, "ListMultipartUploadsResult", _elements(names) + uploads)

    def _list_objects(self, connection: Connection, request: Request, bucket: str) -> None:
        prefix = request.query.get("prefix", "")
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{_MODIFIED_ISO}</LastModified>"
            f"<ETag>&quot;0-1&quot;</ETag><Size>{record.size_bytes}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for key, record in self.records.objects()
            if key.startswith(prefix)
        )
        names = {"Name": bucket, "Prefix": prefix, "MaxKeys": "1000", "IsTruncated": "false"}
        _send_xml(connection, "ListBucketResult", _elements(names) + entries)

    def _get_object(self, connection: Connection, request: Request, key: str) -> None:
        record = self.records.object(key)
        if record is None:
            raise S3Error(HTTPStatus.NOT_FOUND, "NoSuchKey", "The key does not exist")
        headers: dict[str, object] = {
            "Content-Length": record.size_bytes,
            "ETag": f'"{record.crc64:032x}-1"',
            "Last-Modified": _MODIFIED,
            "x-amz-checksum-crc64nvme": _base64(record.crc64),
            "x-amz-checksum-type": "FULL_OBJECT",
            **record.metadata,
        }
        if request.method == "HEAD":
            connection.respond(HTTPStatus.OK, headers)
            return
        kept = self.records.content(key)
        if kept is None:
            raise S3Error(
                HTTPStatus.GONE, "NotKept", "This sink drops objects that are longer than 1 MiB"
            )
        connection.respond(HTTPStatus.OK, headers, kept)

    def _receive(self, connection: Connection, request: Request) -> Received:
        """Receive the whole body, without its framing on the wire.

        Raises:
            S3Error: a checksum that was sent with the body does not match.
        """
        names = (request.headers.get("x-amz-trailer", ""), *request.headers)
        needs_crc32 = any(name.lower() == "x-amz-checksum-crc32" for name in names)
        size_bytes, crc, crc_32 = 0, 0, 0
        kept = bytearray()
        connection.start_pace()
        trailers: dict[str, str] = {}
        for step in _body(connection, request, self._buffer(), trailers):
            size_bytes += len(step)
            crc = crc64nvme(step, crc)
            if needs_crc32:
                crc_32 = crc32(step, crc_32)
            if size_bytes <= KEPT_BYTES_AT_MOST:
                kept += step
            connection.pace(len(step))
        found = {"x-amz-checksum-crc64nvme": _base64(crc)}
        if needs_crc32:
            found["x-amz-checksum-crc32"] = base64.b64encode(crc_32.to_bytes(4, "big")).decode()
        _check({**request.headers, **trailers}, found)
        is_kept = size_bytes <= KEPT_BYTES_AT_MOST
        return Received(size_bytes, crc, bytes(kept) if is_kept else None)

    def _buffer(self) -> memoryview:
        if not hasattr(self.buffers, "buffer"):
            self.buffers.buffer = memoryview(bytearray(_STEP_BYTES))
        buffer: memoryview = self.buffers.buffer
        return buffer


_SUBRESOURCES: Final = {"partNumber", "uploadId", "uploads"}


def _body(
    connection: Connection, request: Request, buffer: memoryview, trailers: dict[str, str]
) -> Iterator[memoryview]:
    """Return the body step by step, each valid until the next; then `trailers` are known."""
    length = request.body_bytes
    chunked = ChunkedBody(connection) if length is None else None
    body = chunked or connection
    if request.headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
        while chunk_bytes := int(body.read_line().partition(b";")[0], 16):
            yield from _steps(connection, body, chunk_bytes, buffer)
            body.read_line()
        while line := body.read_line():
            name, _, value = line.decode("latin-1").partition(":")
            trailers[name.lower()] = value.strip()
    elif length is not None:
        yield from _steps(connection, body, length, buffer)
    else:
        raise S3Error(
            HTTPStatus.LENGTH_REQUIRED, "MissingContentLength", "The request has no Content-Length"
        )
    if chunked is not None:
        chunked.end()


def _steps(
    connection: Connection, body: Connection | ChunkedBody, length: int, buffer: memoryview
) -> Iterator[memoryview]:
    while length:
        step = buffer[: connection.step_bytes(min(length, len(buffer)))]
        body.read_into(step)
        length -= len(step)
        yield step


def _read_body(connection: Connection, request: Request) -> bytes:
    body = bytearray(request.body_bytes or 0)
    connection.read_into(memoryview(body))
    return bytes(body)


def _discard(connection: Connection, request: Request) -> None:
    _read_body(connection, request)


def _check(announced: Mapping[str, str], found: Mapping[str, str]) -> None:
    for name in _CHECKED:
        if name in announced and name in found and announced[name] != found[name]:
            raise S3Error(HTTPStatus.BAD_REQUEST, "BadDigest", f"{name} is {found[name]}")


def _metadata(request: Request) -> dict[str, str]:
    return {
        name: value for name, value in request.headers.items() if name.startswith("x-amz-meta-")
    }


def _base64(crc: int) -> str:
    return base64.b64encode(crc.to_bytes(8, "big")).decode()


def _no_such_upload() -> S3Error:
    return S3Error(HTTPStatus.NOT_FOUND, "NoSuchUpload", "The upload does not exist")


def _elements(texts: Mapping[str, str]) -> str:
    return "".join(f"<{name}>{escape(text)}</{name}>" for name, text in texts.items())


def _part(part: PartRecord) -> str:
    texts = {
        "PartNumber": str(part.number),
        "Size": str(part.size_bytes),
        "ETag": part.etag,
        "LastModified": _MODIFIED_ISO,
        "ChecksumCRC64NVME": _base64(part.crc64),
    }
    return f"<Part>{_elements(texts)}</Part>"


def _send_xml(connection: Connection, root: str, content: str) -> None:
    namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
    body = f'<?xml version="1.0" encoding="UTF-8"?><{root} xmlns="{namespace}">{content}</{root}>'
    connection.respond(HTTPStatus.OK, {"Content-Type": "application/xml"}, body.encode())


def main() -> None:
    """Serve the ports of the job until stdin ends."""
    job = json.loads(Path(sys.argv[1]).read_text())
    tls = Tls(*map(Path, job["tls"])).context() if job["tls"] else None
    sink = Sink(SinkRecords(Path(job["records"])), threading.local())
    handle = partial(Sink.handle, sink)
    Server(Network(**job["network"]), tls, listen(1)).serve(handle, job["processes"])


if __name__ == "__main__":
    main()
