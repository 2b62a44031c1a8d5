"""An HTTP server on loopback with prepared answers, for cases that no local service covers."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from support.servers.loopback_http import LoopbackHandler, LoopbackServer, Request

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator, Mapping


@dataclass(frozen=True)
class Answer:
    """A prepared answer; `hangs_up` closes without one, `holds` sends nothing until the end."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    hangs_up: bool = False
    holds: bool = False


class ScriptedServer(LoopbackServer):
    """Sends the answers in order, and then repeats the last one."""

    daemon_threads = False

    def __init__(self, answers: Iterable[Answer], tls: ssl.SSLContext | None = None) -> None:
        super().__init__(_Handler)
        if tls is not None:
            self.scheme = "https"
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.answers = deque(answers)
        self.requests: list[Request] = []
        self.asked = threading.Event()
        self.ended = threading.Event()

    def next_answer(self) -> Answer:
        return self.answers.popleft() if len(self.answers) > 1 else self.answers[0]


class _Handler(LoopbackHandler):
    server: ScriptedServer

    def serve(self, request: Request) -> None:
        self.server.requests.append(request)
        answer = self.server.next_answer()
        self.server.asked.set()
        if answer.holds:
            self.server.ended.wait()
        if not (answer.hangs_up or answer.holds):
            self.answer(answer.status, answer.headers, answer.body)


@contextmanager
def scripted_server(
    *answers: Answer, tls: ssl.SSLContext | None = None
) -> Iterator[ScriptedServer]:
    """Serve until the end of the block; no thread and no socket is left."""
    with ScriptedServer(answers, tls) as server, server.serving():
        try:
            yield server
        finally:
            server.ended.set()
