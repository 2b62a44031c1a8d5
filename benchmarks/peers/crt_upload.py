"""Uploads files from disk by s3transfer with the CRT, as AWS CLI 2 does.

python crt_upload.py JOB.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import botocore.session
from s3transfer.crt import (
    BotocoreCRTCredentialsWrapper,
    BotocoreCRTRequestSerializer,
    CRTTransferManager,
    create_s3_crt_client,
)


def _upload_all(job: dict[str, Any]) -> None:
    session = botocore.session.get_session()
    credentials = BotocoreCRTCredentialsWrapper(session.get_credentials())
    client = create_s3_crt_client(
        "us-east-1",
        crt_credentials_provider=credentials.to_crt_credentials_provider(),
        use_ssl=job["s3_url"].startswith("https"),
        verify=job["ca_bundle"],
    )
    settings = {"endpoint_url": job["s3_url"], "region_name": "us-east-1"}
    serializer = BotocoreCRTRequestSerializer(session, settings)
    with CRTTransferManager(client, serializer) as manager:
        uploads = [
            manager.upload(f"model/{file['path']}", job["bucket"], job["prefix"] + file["path"])
            for file in job["files"]
        ]
        for upload in uploads:
            upload.result()


if __name__ == "__main__":
    _upload_all(json.loads(Path(sys.argv[1]).read_text()))
