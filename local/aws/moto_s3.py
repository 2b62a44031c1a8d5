"""Adds the checksums of parts to moto's S3, so that uploads can be resumed and copied.

Like moto_engine.py, it uses private names of moto; pyproject.toml pins its version.
"""

from __future__ import annotations

import re
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

from moto.s3.responses import S3Response

from model_import.checksums.crc64 import crc64, crc64_base64

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

type Answer = tuple[int, dict[str, Any], str]


@contextmanager
def return_part_checksums() -> Iterator[None]:
    """Have ListParts and UploadPartCopy return the CRC-64/NVME of each part, as S3 does."""
    with ExitStack() as stack:
        for name, element in (("list_parts", "Part"), ("upload_part_copy", "CopyPartResult")):
            answering = _add_checksums(getattr(S3Response, name), element)
            stack.enter_context(mock.patch.object(S3Response, name, answering))
        yield


def _add_checksums(answer: Callable[[Any], Answer], element: str) -> Callable[[Any], Answer]:
    def answer_with_checksums(response: Any) -> Answer:  # noqa: ANN401 moto's
        def add_checksum(found: re.Match[str]) -> str:
            listed = re.search(r"<PartNumber>(\d+)</PartNumber>", found[0])
            number = int(listed[1] if listed else response.querystring["partNumber"][0])
            checksum = crc64_base64(crc64(upload.parts[number].value))
            end = f"</{element}>"
            checksum_element = f"<ChecksumCRC64NVME>{checksum}</ChecksumCRC64NVME>"
            return found[0].removesuffix(end) + checksum_element + end

        status, headers, body = answer(response)
        bucket = response.backend.get_bucket(response.bucket_name)
        upload = bucket.multiparts.get(response.querystring["uploadId"][0])
        if upload is None:
            return status, headers, body
        body = re.sub(rf"<{element}\b.*?</{element}>", add_checksum, body, flags=re.DOTALL)
        if "content-length" in headers:
            headers["content-length"] = str(len(body))
        return status, headers, body

    return answer_with_checksums
