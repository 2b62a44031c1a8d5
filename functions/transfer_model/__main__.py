"""Move the slice that SLICE_URI names, and write a report next to it: `python -m transfer_model`.

Exit code 0 means that every file of the slice is complete and verified. Exit code 1 means a
failure, which is reported under its own name with TASK_TOKEN. Stored parts stay for the next
attempt, unless no further attempt can succeed.
"""

from __future__ import annotations

import gc
import os
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import boto3
from aws_lambda_powertools import Logger

from model_import.aws.bucket_owner import expecting_owner
from model_import.aws.records import read_record, split_s3_uri, write_record
from model_import.manifest import Slice
from model_import.sources.hub.files import HubFiles
from model_import.sources.hub.token import read_hub_token
from model_import.staging.errors import translate_staging_errors
from model_import.staging.presigned_puts import PRESIGNING
from model_import.transfer.slice_transfer import TransferSettings, transfer_slice
from transfer_model.interruption import Interruption, ignore_signals, interruptible
from transfer_model.progress_metrics import ProgressMetrics
from transfer_model.progress_object import ONE_SHORT_TRY, ProgressObject
from transfer_model.settings import TransferTaskSettings
from transfer_model.task_token import ExecutionMovedOnError, Heartbeats, TaskToken

if TYPE_CHECKING:
    from botocore.config import Config
    from mypy_boto3_s3 import S3Client

    from model_import.transfer.progress import Progress


def main() -> int:
    """Return the exit code."""
    logger = Logger(service="transfer_model")
    task = TaskToken(boto3.client("stepfunctions"), os.environ.get("TASK_TOKEN") or None, logger)
    interruption = Interruption()
    interruption.call_before_exit(task.send_failure)
    try:
        with interruptible():
            interruption.listen()
            _transfer(TransferTaskSettings.from_environ(os.environ), task, logger, interruption)
    except ExecutionMovedOnError:
        logger.warning("The execution has moved on; this task stops")
        return 1
    except Exception as error:  # noqa: BLE001 every error is reported to the state machine
        ignore_signals()
        task.send_failure(error)
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


def _transfer(
    settings: TransferTaskSettings, task: TaskToken, logger: Logger, interruption: Interruption
) -> None:
    s3 = _s3(PRESIGNING, settings)
    slice_bucket, slice_key = split_s3_uri(settings.slice_uri)
    with translate_staging_errors(slice_bucket):
        slice_ = Slice.from_dict(read_record(s3, settings.slice_uri))
    progress_object = ProgressObject(_s3(ONE_SHORT_TRY, settings), slice_, logger)
    interruption.call_before_exit(progress_object.end_interrupted)
    metrics = ProgressMetrics(settings.stack_name, slice_key)
    subscribers = (Heartbeats(task), progress_object, metrics)

    def publish(progress: Progress) -> None:
        for subscriber in subscribers:
            subscriber(progress)

    transfer_settings = TransferSettings(
        connections=settings.connections,
        spare_buffers=settings.spare_buffers,
        patience_seconds=settings.patience_seconds,
        ca_bundle=settings.s3_ca_bundle,
    )
    hub_files = HubFiles(
        slice_.source,
        _hub_token(settings),
        connections=settings.connections,
        patience_seconds=settings.patience_seconds,
        ca_bundle=settings.hub_ca_bundle,
    )
    # All objects so far are permanent: searching them for cycles again would find none.
    gc.freeze()
    with progress_object.ending(), closing(metrics), interruptible():
        with closing(hub_files) as hub:
            report = transfer_slice(slice_, hub, s3, transfer_settings, publish)
        with translate_staging_errors(slice_.staging.bucket):
            bucket, key = slice_.staging.bucket, slice_.report_key
            write_record(s3, bucket, key, report.to_dict())


def _s3(config: Config, settings: TransferTaskSettings) -> S3Client:
    s3 = boto3.client("s3", config=config)
    return s3 if settings.bucket_owner is None else expecting_owner(s3, settings.bucket_owner)


def _hub_token(settings: TransferTaskSettings) -> str | None:
    if settings.hub_token_secret_arn is None:
        return None
    return read_hub_token(boto3.client("secretsmanager"), settings.hub_token_secret_arn)


if __name__ == "__main__":
    sys.exit(main())
