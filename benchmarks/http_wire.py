"""HTTP/1.1 on blocking sockets, cheap enough to share the cores with the measured program.

Each connection has a thread, and one process per core shares the listening socket. To simulate a
network, a connection transfers bytes at a set rate, and every answer is delayed by a round trip.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_HEAD_BYTES_AT_MOST: Final = 64 * 1024
_PACED_BYTES: Final = 128 * 1024
_PACED_BUFFER_BYTES: Final = 256 * 1024
"""The kernel's buffer of a paced connection; a small one makes the other side wait."""


@dataclass(frozen=True, slots=True)
class Network:
    """The simulated network between client and server; the default is plain loopback."""

    latency_ms: float = 0
    connection_mbit: float = 0
    """Megabits per second of one connection; 0 is no limit."""

    @property
    def round_trip_seconds(self) -> float:
        """Return the delay of an answer in addition to the time of its bytes."""
        return self.latency_ms / 1000

    @property
    def bytes_per_second(self) -> float:
        """Return the rate of one connection, or 0."""
        return self.connection_mbit * 1_000_000 / 8


LOOPBACK: Final = Network()


@dataclass(frozen=True, slots=True)
class Tls:
    """A certificate for this machine's loopback, with its key."""

    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """Return the server's SSL context."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context


@dataclass(frozen=True, slots=True)
class Request:
    """A request whose body has not been read yet."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]

    @property
    def body_bytes(self) -> int | None:
        """Return the length of the body on the wire, or None if it is chunked."""
        if "chunked" in self.headers.get("transfer-encoding", ""):
            return None
        return int(self.headers.get("content-length", "0"))


class ConnectionEndedError(Exception):
    """The other side has closed the connection."""


@dataclass(slots=True)
class Connection:
    """One client's connection, read through a small buffer."""

    socket: socket.socket
    network: Network
    _read: bytearray = field(default_factory=bytearray)
    _pace_started: float = 0
    _paced: int = 0

    def wait_round_trip(self) -> None:
        """Wait for the time of a round trip."""
        if self.network.latency_ms:
            time.sleep(self.network.round_trip_seconds)

    def start_pace(self) -> None:
        """Start to count the rate of the connection."""
        self._pace_started, self._paced = time.monotonic(), 0

    def pace(self, size_bytes: int) -> None:
        """Wait for the time that so many bytes take at the connection's rate."""
        rate = self.network.bytes_per_second
        if not rate:
            return
        self._paced += size_bytes
        ahead = self._paced / rate - (time.monotonic() - self._pace_started)
        if ahead > 0:
            time.sleep(ahead)

    def step_bytes(self, at_most: int) -> int:
        """Return the number of bytes to move between two calls of `pace`."""
        return min(at_most, _PACED_BYTES) if self.network.connection_mbit else at_most

    def read_request(self) -> Request:
        """Return the next request.

        Raises:
            ConnectionEndedError: there is none.
        """
        while (end := self._read.find(b"\r\n\r\n")) < 0:
            self._fill()
        head = bytes(self._read[:end]).decode("latin-1").split("\r\n")
        del self._read[: end + 4]
        method, target, _ = head[0].split(" ", 2)
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:])
        }
        parts = urlsplit(target)
        query = parse_qs(parts.query, keep_blank_values=True)
        request = Request(
            method,
            unquote(parts.path),
            {name: values[0] for name, values in query.items()},
            headers,
        )
        if headers.get("expect", "").lower() == "100-continue":
            self.wait_round_trip()
            self.socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return request

    def read_line(self) -> bytes:
        """Return the bytes before the next CRLF."""
        while (end := self._read.find(b"\r\n")) < 0:
            self._fill()
        line = bytes(self._read[:end])
        del self._read[: end + 2]
        return line

    def read_into(self, buffer: memoryview) -> None:
        """Fill the whole buffer."""
        ready = min(len(self._read), len(buffer))
        if ready:
            buffer[:ready] = self._read[:ready]
            del self._read[:ready]
        # One call for the whole buffer if possible; TLS returns one record at a time.
        flags = 0 if isinstance(self.socket, ssl.SSLSocket) else socket.MSG_WAITALL
        while ready < len(buffer):
            count = self.socket.recv_into(buffer[ready:], 0, flags)
            if not count:
                raise ConnectionEndedError
            ready += count

    def respond(
        self, status: int, headers: Mapping[str, object] | None = None, body: bytes = b""
    ) -> None:
        """Send an answer; for HEAD, `headers` has the length and there is no body."""
        lines = {"Content-Length": len(body), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        reason = HTTPStatus(status).phrase
        self.wait_round_trip()
        self.socket.sendall(f"HTTP/1.1 {status} {reason}\r\n{head}\r\n".encode("latin-1") + body)

    def _fill(self) -> None:
        received = self.socket.recv(_HEAD_BYTES_AT_MOST)
        if not received:
            raise ConnectionEndedError
        self._read += received


class ChunkedBody:
    """The content of a body with the transfer coding `chunked`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._left = 0

    def read_line(self) -> bytes:
        """Return the bytes before the next CRLF."""
        line = bytearray()
        one = memoryview(bytearray(1))
        while not line.endswith(b"\r\n"):
            self.read_into(one)
            line += one
        return bytes(line[:-2])

    def read_into(self, buffer: memoryview) -> None:
        """Fill the whole buffer."""
        while len(buffer):
            if not self._left:
                self._left = self._next_chunk()
            step = buffer[: self._left]
            self._connection.read_into(step)
            buffer = buffer[len(step) :]
            self._left -= len(step)
            if not self._left:
                self._connection.read_line()

    def end(self) -> None:
        """Read the last chunk, which is empty."""
        if self._next_chunk(0):
            message = "the body continues after its last chunk"
            raise ValueError(message)
        while self._connection.read_line():
            pass

    def _next_chunk(self, at_least: int = 1) -> int:
        length = int(self._connection.read_line().partition(b";")[0], 16)
        if length < at_least:
            raise ConnectionEndedError
        return length


type Handler = Callable[[Connection, Request], None]


@dataclass(frozen=True, slots=True)
class Server:
    """Listens on the requested number of ports, and passes each request to one handler."""

    network: Network
    tls: ssl.SSLContext | None
    sockets: Sequence[socket.socket]

    def serve(self, handler: Handler, processes: int) -> None:
        """Print the ports to stdout, and serve until stdin ends."""
        ports = [listening.getsockname()[1] for listening in self.sockets]
        sys.stdout.write(json.dumps(ports) + "\n")
        sys.stdout.flush()
        for _ in range(processes - 1):
            if os.fork() == 0:
                break
        for listening in self.sockets:
            threading.Thread(target=self._accept, args=(listening, handler), daemon=True).start()
        sys.stdin.read()

    def _accept(self, listening: socket.socket, handler: Handler) -> None:
        while True:
            accepted, _ = listening.accept()
            threading.Thread(target=self._talk, args=(accepted, handler), daemon=True).start()

    def _talk(self, accepted: socket.socket, handler: Handler) -> None:
        with suppress(OSError, ConnectionEndedError):
            if self.network.connection_mbit:
                for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                    accepted.setsockopt(socket.SOL_SOCKET, option, _PACED_BUFFER_BYTES)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            talking = self.tls.wrap_socket(accepted, server_side=True) if self.tls else accepted
            with talking:
                connection = Connection(talking, self.network)
                # The handshakes: one round trip for TCP, one for TLS.
                for _ in range(2 if self.tls else 1):
                    connection.wait_round_trip()
                while True:
                    handler(connection, connection.read_request())


def listen(count: int) -> list[socket.socket]:
    """Return sockets that listen on free ports."""
    return [socket.create_server(("127.0.0.1", 0), backlog=512) for _ in range(count)]
