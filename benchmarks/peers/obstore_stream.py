"""obstore: one stream per file into its multipart upload; `--sha256` hashes on the way.

python obstore_stream.py JOB.json [--sha256]
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from obstore_stores import hub_store, leave, s3_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def _move_all(job: dict[str, Any], *, with_hash: bool) -> None:
    hub, s3 = hub_store(job), s3_store(job)

    async def move(file: dict[str, Any]) -> None:
        sha256 = hashlib.sha256()
        stream = (await hub.get_async(file["path"])).stream(min_chunk_size=1024 * 1024)

        async def hashed() -> AsyncIterator[bytes]:
            async for chunk in stream:
                await asyncio.to_thread(sha256.update, chunk)
                yield chunk

        content = hashed() if with_hash else stream
        await s3.put_async(
            job["prefix"] + file["path"],
            content,
            chunk_size=job["part_bytes"],
            max_concurrency=job["streams"],
        )
        if with_hash and sha256.hexdigest() != file["sha256"]:
            sys.exit(f"{file['path']} does not have the Hub's SHA-256")

    await asyncio.gather(*map(move, job["files"]))


if __name__ == "__main__":
    asyncio.run(
        _move_all(json.loads(Path(sys.argv[1]).read_text()), with_hash="--sha256" in sys.argv)
    )
    leave()
