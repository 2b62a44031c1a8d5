"""Shared by the HTTP servers of the tests: a loopback port, requests, answers."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True)
class Request:
    """A received request; `target` is as in the request line, header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class LoopbackServer(ThreadingHTTPServer):
    """Listens on a free port."""

    request_queue_size = 256
    scheme = "http"

    def __init__(self, handler: type[LoopbackHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def server_bind(self) -> None:
        # The base class would look up the host name, which can take seconds.
        self.socket.bind(self.server_address)
        host, port = self.socket.getsockname()[:2]
        self.server_address, self.server_name, self.server_port = (host, port), host, port

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: some tests drop connections on purpose."""

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve until the end of the block."""
        thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            thread.join()


class LoopbackHandler(BaseHTTPRequestHandler):
    """Reads whole requests, and passes them to `serve`."""

    def serve(self, request: Request) -> None:
        raise NotImplementedError

    def do_GET(self) -> None:
        self._read()

    def do_HEAD(self) -> None:
        self._read()

    def do_PUT(self) -> None:
        self._read()

    def do_POST(self) -> None:
        self._read()

    def do_DELETE(self) -> None:
        self._read()

    def log_message(self, *_: object) -> None:
        """Print nothing: tests read the recorded requests."""

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send an answer; leave out the body if the request is HEAD."""
        self.send_response_only(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _read(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.serve(Request(self.command, self.path, headers, body))
