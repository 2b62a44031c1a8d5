"""obstore: ranges of each file ahead of its upload, hashed in order.

python obstore_ranges.py JOB.json
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from obstore_stores import hub_store, leave, s3_store

if TYPE_CHECKING:
    from collections.abc import Iterator


def _move_all(job: dict[str, Any]) -> None:
    hub, s3 = hub_store(job), s3_store(job)
    part_bytes: int = job["part_bytes"]
    ahead: int = max(3, job["streams"])

    def move(file: dict[str, Any]) -> None:
        sha256 = hashlib.sha256()
        size_bytes: int = file["size_bytes"]

        def read(start: int) -> bytes:
            content: bytes = hub.get_range(
                file["path"], start=start, end=min(start + part_bytes, size_bytes)
            )
            return content

        def hashed() -> Iterator[bytes]:
            coming: deque[Future[bytes]] = deque()
            for start in range(0, size_bytes, part_bytes):
                coming.append(readers.submit(read, start))
                if len(coming) > ahead:
                    yield taken(coming)
            while coming:
                yield taken(coming)

        def taken(coming: deque[Future[bytes]]) -> bytes:
            content = coming.popleft().result()
            sha256.update(content)
            return content

        with ThreadPoolExecutor(ahead) as readers:
            s3.put(
                job["prefix"] + file["path"],
                hashed(),
                chunk_size=part_bytes,
                max_concurrency=job["streams"],
            )
        if sha256.hexdigest() != file["sha256"]:
            sys.exit(f"{file['path']} does not have the Hub's SHA-256")

    with ThreadPoolExecutor(len(job["files"])) as movers:
        list(movers.map(move, job["files"]))


if __name__ == "__main__":
    _move_all(json.loads(Path(sys.argv[1]).read_text()))
    leave()
