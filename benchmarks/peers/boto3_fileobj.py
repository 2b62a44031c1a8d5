"""requests into boto3's `upload_fileobj`, a thread per file, hashed on the way.

python boto3_fileobj.py JOB.json
"""

from __future__ import annotations

import hashlib
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, cast

import boto3
import requests
from boto3.s3.transfer import TransferConfig


class _Hashed:
    """A body that is hashed while it is read."""

    def __init__(self, body: Any) -> None:  # noqa: ANN401 requests does not type it
        self._body = body
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        content: bytes = self._body.read(size)
        self.sha256.update(content)
        return content


def _move_all(job: dict[str, Any]) -> None:
    s3 = boto3.client("s3", endpoint_url=job["s3_url"], region_name="us-east-1")
    config = TransferConfig(multipart_chunksize=job["part_bytes"], max_concurrency=job["streams"])

    def move(file: dict[str, Any]) -> None:
        url = f"{job['resolve_url']}/{file['path']}"
        with requests.get(url, stream=True, timeout=60) as response:
            response.raise_for_status()
            body = _Hashed(response.raw)
            s3.upload_fileobj(
                cast("IO[bytes]", body), job["bucket"], job["prefix"] + file["path"], Config=config
            )
        if body.sha256.hexdigest() != file["sha256"]:
            sys.exit(f"{file['path']} does not have the Hub's SHA-256")

    with ThreadPoolExecutor(len(job["files"])) as movers:
        list(movers.map(move, job["files"]))


if __name__ == "__main__":
    _move_all(json.loads(Path(sys.argv[1]).read_text()))
