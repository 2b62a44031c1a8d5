"""HTTP/1.1 for the local Hub: requests, answers, byte ranges, and a server that stops at once."""

import re
import socket
import struct
import sys
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from functools import cached_property
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import Any, Literal, Protocol, Self
from urllib.parse import parse_qs, unquote

from model_import_cli.folder_hub.faults import Fault, FaultPlan

Role = Literal["hub", "cdn"]

_BYTE_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_LOGGED_REQUESTS = 100_000
_SURPLUS = b"\0" * 100


@dataclass(frozen=True)
class Request:
    """A request as received; `path` and `query` are still percent-encoded."""

    method: str
    path: str
    query: str
    headers: Message
    body: bytes

    @property
    def line(self) -> str:
        """The form in which faults match a request."""
        return f"{self.method} {unquote(self.path)}"

    @property
    def range_header(self) -> str | None:
        return self.headers.get("Range")

    @cached_property
    def parameters(self) -> dict[str, list[str]]:
        return parse_qs(self.query, keep_blank_values=True)

    def flag(self, name: str) -> bool:
        return self.parameters.get(name, [""])[-1].lower() in {"true", "1"}


@dataclass(frozen=True, slots=True)
class FileSlice:
    """Bytes of a file that are sent without passing through memory."""

    location: Path
    offset: int
    length: int

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, part: slice) -> Self:
        start, stop, _ = part.indices(self.length)
        return type(self)(self.location, self.offset + start, max(0, stop - start))

    def read(self) -> bytes:
        with self.location.open("rb") as content:
            content.seek(self.offset)
            return content.read(self.length)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | FileSlice = b""


class HttpError(Exception):
    """An answer that ends the handling of a request."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """A request and how it was answered.

    Attributes:
        role: the host that received the request.
        path: decoded, without query.
        range_header: as sent, such as `bytes=0-99`.
        with_authorization: whether the request had an Authorization header.
        status: 0 when a fault dropped the connection instead.
        body_bytes: length of the body according to the answer's header; 0 for HEAD.
    """

    role: Role
    method: str
    path: str
    query: str
    range_header: str | None
    with_authorization: bool
    status: int
    body_bytes: int


class RequestLog:
    """The latest requests by order of answer; each is logged before its answer is sent."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: deque[LoggedRequest] = deque(maxlen=_LOGGED_REQUESTS)

    def add(self, role: Role, request: Request, status: int, body_bytes: int) -> None:
        logged = LoggedRequest(
            role=role,
            method=request.method,
            path=unquote(request.path),
            query=request.query,
            range_header=request.range_header,
            with_authorization="Authorization" in request.headers,
            status=status,
            body_bytes=body_bytes,
        )
        with self._lock:
            self._requests.append(logged)

    def all(self) -> tuple[LoggedRequest, ...]:
        with self._lock:
            return tuple(self._requests)

    def clear(self) -> None:
        with self._lock:
            self._requests.clear()


def file_answer(
    request: Request,
    location: Path,
    size_bytes: int,
    headers: Mapping[str, str],
    faults: FaultPlan,
) -> Answer:
    """Returns the whole file with 200, the requested range with 206, or 416.

    Like other servers, it ignores a range that it cannot parse and a list of ranges.
    """
    headers = {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream", **headers}
    whole = FileSlice(location, 0, size_bytes)
    wanted = _wanted_bytes(request.range_header, size_bytes)
    if wanted is None:
        return Answer(200, headers, whole)
    if not wanted:
        return Answer(416, {**headers, "Content-Range": f"bytes */{size_bytes}"})
    fault = faults.take(request.line, "ignore_range", "wrong_content_range")
    if fault is not None and fault.kind == "ignore_range":
        return Answer(200, headers, whole)
    shift = 1 if fault is not None else 0
    content_range = f"bytes {wanted.start + shift}-{wanted.stop - 1 + shift}/{size_bytes}"
    body = whole[wanted.start : wanted.stop]
    return Answer(206, {**headers, "Content-Range": content_range}, body)


def _wanted_bytes(range_header: str | None, size_bytes: int) -> range | None:
    """Returns the requested range: empty if outside the file, None if there is no valid one."""
    parts = _BYTE_RANGE.fullmatch(range_header or "")
    if parts is None or parts[0] == "bytes=-":
        return None
    first, last = parts[1], parts[2]
    if not first:
        return range(max(0, size_bytes - int(last)), size_bytes)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1 if last else size_bytes, size_bytes))


class Site(Protocol):
    """The answers of a host; the server turns them into HTTP."""

    @property
    def role(self) -> Role: ...

    def answer(self, request: Request) -> Answer: ...


class SiteServer(ThreadingTCPServer):
    """Serves one site on a port of this machine until `close`, with a thread per connection.

    `http.server.HTTPServer` would look up its own host name, which can take seconds.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 512

    def __init__(
        self,
        port: int,
        site: Site,
        faults: FaultPlan,
        log: RequestLog,
        latency_seconds: float,
    ) -> None:
        super().__init__(("127.0.0.1", port), _Connection)
        self.site = site
        self.faults = faults
        self.log = log
        self._latency_seconds = latency_seconds
        self._closing = threading.Event()
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._connections_lock = threading.Lock()
        self._accepting = threading.Thread(
            target=self._accept, name=f"{site.role}-accept", daemon=True
        )
        self._accepting.start()

    @property
    def url(self) -> str:
        host, port = self.socket.getsockname()
        return f"http://{host}:{port}"

    def close(self) -> None:
        """Stops listening and ends every connection, idle or not; no thread is left."""
        self._closing.set()
        # This connection wakes the accept loop.
        socket.create_connection(self.socket.getsockname()).close()
        self._accepting.join()
        self.server_close()
        with self._connections_lock:
            connections = dict(self._connections)
        for thread, connection in connections.items():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join()

    def keep_latency(self) -> None:
        if self._latency_seconds:
            self._closing.wait(self._latency_seconds)

    def _accept(self) -> None:
        while not self._closing.is_set():
            self.handle_request()

    def verify_request(self, *_: object) -> bool:
        return not self._closing.is_set()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 as the base
        thread = threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            name=f"{self.site.role}-connection",
            daemon=True,
        )
        with self._connections_lock:
            self._connections[thread] = request
        thread.start()

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 as the base
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._connections_lock:
                del self._connections[threading.current_thread()]

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 as the base
        # A client that disconnects is not an error of the server.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Connection(BaseHTTPRequestHandler):
    """One client's connection, kept alive from request to request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: SiteServer

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, *_: object) -> None:
        """Prints nothing; the request log is for programs."""

    def _serve(self) -> None:
        request = self._read_request()
        self.server.keep_latency()
        if self.server.faults.take(request.line, "drop"):
            self.server.log.add(self.server.site.role, request, status=0, body_bytes=0)
            self.close_connection = True
            return
        self._send(request, self.server.site.answer(request))

    def _read_request(self) -> Request:
        path, _, query = self.path.partition("?")
        body_bytes = int(self.headers.get("Content-Length", "0"))
        return Request(self.command, path, query, self.headers, self.rfile.read(body_bytes))

    def _send(self, request: Request, answer: Answer) -> None:
        body = answer.body if request.method != "HEAD" else b""
        fault = self.server.faults.take(
            request.line,
            "reset",
            "truncate",
            "stall",
            "flip_byte",
            "overlong",
            affects=lambda fault: _is_within(fault, body),
        )
        self.server.log.add(self.server.site.role, request, answer.status, len(body))
        self.send_response_only(answer.status, HTTPStatus(answer.status).phrase)
        self.send_header("Date", self.date_time_string())
        surplus = _SURPLUS if fault is not None and fault.kind == "overlong" else b""
        self.send_header("Content-Length", str(len(answer.body) + len(surplus)))
        for name, text in answer.headers.items():
            self.send_header(name, _header_text(text))
        self.end_headers()
        self._send_body(body, fault)

    def _send_body(self, body: bytes | FileSlice, fault: Fault | None) -> None:
        if fault is None:
            self._write(body)
        elif fault.kind == "overlong":
            self._write(body)
            self._write(_SURPLUS)
        elif fault.kind == "flip_byte":
            self._write_flipped(body, fault.offset - _offset(body))
        else:
            self._write(body[: fault.after_bytes])
            if fault.kind == "stall":
                self.server.faults.hold()
                self._write(body[fault.after_bytes :])
            elif fault.kind == "reset":
                self._reset()
            else:
                self.close_connection = True

    def _write(self, body: bytes | FileSlice) -> None:
        if isinstance(body, bytes):
            self.wfile.write(body)
        elif len(body):
            with body.location.open("rb") as content:
                sent_bytes = self.connection.sendfile(content, body.offset, len(body))
            if sent_bytes < len(body):
                self.close_connection = True

    def _write_flipped(self, body: bytes | FileSlice, position: int) -> None:
        original = body[position : position + 1]
        original_byte = original if isinstance(original, bytes) else original.read()
        self._write(body[:position])
        self._write(bytes([original_byte[0] ^ 0xFF]))
        self._write(body[position + 1 :])

    def _reset(self) -> None:
        self.close_connection = True
        # close sends RST if the linger time is 0; detach keeps shutdown from sending FIN first.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        socket.close(self.connection.detach())


def _is_within(fault: Fault, body: bytes | FileSlice) -> bool:
    """Returns whether the body is long enough for the fault to show."""
    if fault.kind == "flip_byte":
        return _offset(body) <= fault.offset < _offset(body) + len(body)
    return fault.after_bytes < len(body)


def _offset(body: bytes | FileSlice) -> int:
    return body.offset if isinstance(body, FileSlice) else 0


def _header_text(text: str) -> str:
    """Returns the text in a form that a header allows: printable ASCII on one line."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character if character.isascii() and character.isprintable() else "?" for character in text
    )
