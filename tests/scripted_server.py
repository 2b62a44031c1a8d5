"""An HTTP server on loopback that gives prepared answers, for what no local service does."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator, Mapping


@dataclass(frozen=True)
class Answer:
    """What is sent; `hangs_up` sends nothing and closes, `holds` says nothing until the end."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    hangs_up: bool = False
    holds: bool = False


@dataclass(frozen=True)
class Request:
    """What came; `target` is as it stood in the request line."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class ScriptedServer(ThreadingHTTPServer):
    """Gives the answers in turn, and the last one from then on."""

    daemon_threads = False

    def __init__(self, answers: Iterable[Answer], tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.scheme = "http" if tls is None else "https"
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.answers = deque(answers)
        self.requests: list[Request] = []
        self.asked = threading.Event()
        self.ended = threading.Event()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def server_bind(self) -> None:
        # The base class would look up this machine's name, which can take seconds.
        self.socket.bind(self.server_address)
        host, port = self.socket.getsockname()[:2]
        self.server_address, self.server_name, self.server_port = (host, port), host, port

    def next_answer(self) -> Answer:
        return self.answers.popleft() if len(self.answers) > 1 else self.answers[0]

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet: a client that goes away is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedServer

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, *_: object) -> None:
        """Keep quiet: the requests are for the test."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append(Request(self.command, self.path, headers, body))
        answer = self.server.next_answer()
        self.server.asked.set()
        if answer.holds:
            self.server.ended.wait()
        if answer.hangs_up or answer.holds:
            return
        self.send_response_only(answer.status)
        for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)


@contextmanager
def scripted_server(
    *answers: Answer, tls: ssl.SSLContext | None = None
) -> Iterator[ScriptedServer]:
    """Serve until the end of the block; no thread and no socket is left."""
    with ScriptedServer(answers, tls) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.ended.set()
            server.shutdown()
            thread.join()
