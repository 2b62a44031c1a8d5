"""The least cost of moving and hashing the bytes in CPython: sockets, SHA-256, CRC-64.

    python -m benchmarks.floor JOB.json

Threads take ranges in turn. Each receives a range, hashes it by itself, and sends it. There are no
retries, no order between ranges, no progress and no error handling. `crc64` comes from awscrt, as
in the transfer. Each file is one multipart upload to the sink.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import ssl
import sys
import threading
from collections import deque
from dataclasses import dataclass, field
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from awscrt.checksums import crc64nvme


@dataclass(slots=True)
class Upload:
    """The upload of a file while its parts are sent."""

    target: str
    upload_id: str
    etags: dict[int, str] = field(default_factory=dict)


class Peer:
    """A keep-alive connection to one server."""

    def __init__(self, url: str, ca_bundle: str | None) -> None:
        parts = urlsplit(url)
        self._host = f"{parts.hostname}:{parts.port}"
        plain = socket.create_connection((parts.hostname, parts.port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket: socket.socket = plain
        self._flags = int(socket.MSG_WAITALL)
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=ca_bundle)
            self._socket = context.wrap_socket(plain, server_hostname=parts.hostname)
            self._flags = 0

    def ask(
        self, line: str, headers: str, body: bytes | memoryview, buffer: memoryview
    ) -> tuple[str, int]:
        """Send a request; return the answer's head, and the number of body bytes in `buffer`."""
        head = f"{line} HTTP/1.1\r\nHost: {self._host}\r\nContent-Length: {len(body)}\r\n{headers}"
        self._socket.sendall(f"{head}\r\n".encode())
        if len(body):
            self._socket.sendall(body)
        reached = 0
        received = memoryview(bytearray(65_536))
        while (end := bytes(received[:reached]).find(b"\r\n\r\n")) < 0:
            reached += self._socket.recv_into(received[reached:])
        answer = bytes(received[:end]).decode()
        count = reached - end - 4
        buffer[:count] = received[end + 4 : reached]
        found = re.search(r"(?i)content-length: (\d+)", answer)
        length = int(found[1]) if found else 0
        while count < length:
            count += self._socket.recv_into(buffer[count:length], 0, self._flags)
        return answer, count


class Floor:
    """Moves all files in ranges of one size."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._job = job
        self._part_bytes: int = job["part_bytes"]
        self._uploads = [self._open(file) for file in job["files"]]
        self._ranges = deque(
            (index, start)
            for index, file in enumerate(job["files"])
            for start in range(0, file["size_bytes"], self._part_bytes)
        )

    def run(self) -> None:
        """Move everything."""
        threads = [threading.Thread(target=self._move) for _ in range(self._job["threads"])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for upload in self._uploads:
            self._complete(upload)

    def _move(self) -> None:
        source = Peer(self._job["cdn_url"], self._job["ca_bundle"])
        sink = Peer(self._job["s3_url"], self._job["ca_bundle"])
        # It begins with a page, as the transfer's own: see part_buffers.py.
        buffer = memoryview(mmap(-1, self._part_bytes, MAP_PRIVATE | MAP_ANONYMOUS))
        scratch = memoryview(bytearray(65_536))
        while True:
            try:
                index, start = self._ranges.popleft()
            except IndexError:
                return
            file, upload = self._job["files"][index], self._uploads[index]
            end = min(start + self._part_bytes, file["size_bytes"])
            asked = f"Range: bytes={start}-{end - 1}\r\n"
            _, count = source.ask(f"GET /cdn/{file['path']}", asked, b"", buffer)
            content = buffer[:count]
            hashlib.sha256(content).digest()
            crc = base64.b64encode(crc64nvme(content).to_bytes(8, "big")).decode()
            number = start // self._part_bytes + 1
            target = f"{upload.target}?partNumber={number}&uploadId={upload.upload_id}"
            checksum = f"x-amz-checksum-crc64nvme: {crc}\r\n"
            answer, _ = sink.ask(f"PUT {target}", checksum, content, scratch)
            found = re.search(r"(?i)etag: (\S+)", answer)
            if found is None:
                raise AssertionError(answer)
            upload.etags[number] = found[1]

    def _open(self, file: dict[str, Any]) -> Upload:
        target = f"/{self._job['bucket']}/{self._job['prefix']}{file['path']}"
        answer = self._post(f"{target}?uploads", b"")
        upload_id = answer.partition("<UploadId>")[2].partition("<")[0]
        return Upload(target, upload_id)

    def _complete(self, upload: Upload) -> None:
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
            for number, etag in sorted(upload.etags.items())
        )
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>"
        self._post(f"{upload.target}?uploadId={upload.upload_id}", body.encode())

    def _post(self, target: str, body: bytes) -> str:
        buffer = memoryview(bytearray(65_536))
        sink = Peer(self._job["s3_url"], self._job["ca_bundle"])
        _, count = sink.ask(f"POST {target}", "", body, buffer)
        return bytes(buffer[:count]).decode()


if __name__ == "__main__":
    Floor(json.loads(Path(sys.argv[1]).read_text())).run()
