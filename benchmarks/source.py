"""A Hub on loopback: `resolve` redirects to another port, which sends ranges of the pool.

python -m benchmarks.source JOB.json
"""

from __future__ import annotations

import json
import mmap
import os
import re
import ssl
import sys
from dataclasses import dataclass
from functools import partial
from html import escape
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.content import ContentFile, Pool
from benchmarks.http_wire import Network, Server, Tls, listen

if TYPE_CHECKING:
    from benchmarks.http_wire import Connection, Request

REPO_ID: Final = "acme/benchmark-model"
COMMIT: Final = "5e6b2a3c4d5f60718293a4b5c6d7e8f901234567"
_STEP_BYTES: Final = 1024 * 1024
_RESOLVE: Final = re.compile(rf"/{REPO_ID}/resolve/[^/]+/(.*)")
_INFO: Final = re.compile(rf"/api/models/{REPO_ID}(?:/revision/[^/]+)?")
_TREE: Final = re.compile(rf"/api/models/{REPO_ID}/tree/[^/]+/?")


@dataclass(frozen=True, slots=True)
class Source:
    """The Hub with one repository, and its CDN."""

    pool: Pool
    files: dict[str, ContentFile]
    cdn_url: str
    pool_file: int
    mapped: memoryview

    def handle(self, connection: Connection, request: Request) -> None:
        if request.path.startswith("/cdn/"):
            self._send_file(connection, request, request.path.removeprefix("/cdn/"))
        elif resolve := _RESOLVE.fullmatch(request.path):
            self._resolve(connection, request, resolve[1])
        elif _INFO.fullmatch(request.path):
            self._send(connection, request, "application/json", json.dumps(self._info()))
        elif _TREE.fullmatch(request.path):
            self._send(connection, request, "application/json", json.dumps(self._tree()))
        else:
            connection.respond(HTTPStatus.NOT_FOUND)

    def _info(self) -> dict[str, object]:
        siblings = [{"rfilename": path} for path in self.files]
        return {"_id": "0" * 24, "id": REPO_ID, "sha": COMMIT, "siblings": siblings, "tags": []}

    def _tree(self) -> list[dict[str, object]]:
        return [
            {
                "type": "file",
                "oid": "0" * 40,
                "size": file.size_bytes,
                "path": file.path,
                "lfs": {"oid": file.sha256, "size": file.size_bytes, "pointerSize": 135},
            }
            for file in self.files.values()
        ]

    def _resolve(self, connection: Connection, request: Request, path: str) -> None:
        if not path:
            links = "".join(f'<a href="{escape(name)}">{escape(name)}</a>\n' for name in self.files)
            self._send(connection, request, "text/html", f"<html><body>\n{links}</body></html>")
        elif file := self.files.get(path):
            headers = {
                "Location": f"{self.cdn_url}/cdn/{path}",
                "X-Repo-Commit": COMMIT,
                "X-Linked-Size": file.size_bytes,
                "X-Linked-Etag": f'"{file.sha256}"',
            }
            connection.respond(HTTPStatus.FOUND, headers)
        else:
            connection.respond(HTTPStatus.NOT_FOUND, {"X-Error-Code": "EntryNotFound"})

    def _send_file(self, connection: Connection, request: Request, path: str) -> None:
        file = self.files.get(path)
        if file is None:
            connection.respond(HTTPStatus.NOT_FOUND)
            return
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        start = int(asked[1]) if asked else 0
        end = min(int(asked[2]) + 1 if asked and asked[2] else file.size_bytes, file.size_bytes)
        headers: dict[str, object] = {
            "Content-Length": end - start,
            "Content-Type": "application/octet-stream",
            "Accept-Ranges": "bytes",
            "ETag": f'"{file.sha256}"',
            "Last-Modified": "Sun, 22 Nov 2026 00:00:00 GMT",
        }
        if asked:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size_bytes}"
        connection.respond(HTTPStatus.PARTIAL_CONTENT if asked else HTTPStatus.OK, headers)
        if request.method != "HEAD":
            self._send_pool(connection, file.shift + start, end - start)

    def _send_pool(self, connection: Connection, start: int, length: int) -> None:
        connection.start_pace()
        for offset, segment_bytes in self.pool.segments(start, length):
            sent = 0
            while sent < segment_bytes:
                step_bytes = connection.step_bytes(min(_STEP_BYTES, segment_bytes - sent))
                count = self._send_step(connection, offset + sent, step_bytes)
                connection.pace(count)
                sent += count

    def _send_step(self, connection: Connection, offset: int, step_bytes: int) -> int:
        if isinstance(connection.socket, ssl.SSLSocket):
            connection.socket.sendall(self.mapped[offset : offset + step_bytes])
            return step_bytes
        return os.sendfile(connection.socket.fileno(), self.pool_file, offset, step_bytes)

    @staticmethod
    def _send(connection: Connection, request: Request, content_type: str, text: str) -> None:
        body = text.encode()
        headers = {"Content-Type": content_type, "Content-Length": len(body)}
        connection.respond(HTTPStatus.OK, headers, b"" if request.method == "HEAD" else body)


def main() -> None:
    """Serve the files of the job until stdin ends."""
    job = json.loads(Path(sys.argv[1]).read_text())
    pool = Pool(Path(job["pool"]["path"]), job["pool"]["size_bytes"])
    tls = Tls(*map(Path, job["tls"])).context() if job["tls"] else None
    sockets = listen(2)
    scheme = "https" if tls else "http"
    with (
        pool.path.open("rb") as stream,
        mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) as whole,
    ):
        source = Source(
            pool,
            {file["path"]: ContentFile(**file) for file in job["files"]},
            f"{scheme}://127.0.0.1:{sockets[1].getsockname()[1]}",
            stream.fileno(),
            memoryview(whole),
        )
        handle = partial(Source.handle, source)
        Server(Network(**job["network"]), tls, sockets).serve(handle, job["processes"])
        # Threads may still read the mapping.
        os._exit(0)


if __name__ == "__main__":
    main()
