"""Reports to the state that waits for this task, by the task token.

The exit code reports success; the token never does. A heartbeat means that bytes have moved: a
transfer that hangs sends none, and the state machine ends it.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools import Logger
    from mypy_boto3_stepfunctions import SFNClient

    from model_import.transfer.progress import Progress

_HEARTBEAT_SECONDS: Final = 10
_MOVED_ON: Final = frozenset({"InvalidToken", "TaskDoesNotExist", "TaskTimedOut"})
_ERROR_CHARACTERS: Final = 256
_CAUSE_CHARACTERS: Final = 32_768
# Both: https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskFailure.html


class ExecutionMovedOnError(Exception):
    """The state no longer waits for this task: it timed out, or the execution was stopped."""


class TaskToken:
    """Reports to the state; does nothing without a token."""

    def __init__(self, client: SFNClient, token: str | None, logger: Logger) -> None:
        self._client = client
        self._token = token
        self._logger = logger
        self._failing = threading.Lock()
        self._has_failed = False

    def send_failure(self, error: BaseException) -> None:
        """Fail the state with the name of the error; only the first call of any thread counts.

        If the report fails, that is only logged.
        """
        with self._failing:
            if self._token is not None and not self._has_failed:
                self._has_failed = True
                self._send_failure(self._token, error)

    def _send_failure(self, token: str, error: BaseException) -> None:
        try:
            self._client.send_task_failure(
                taskToken=token,
                error=type(error).__name__[:_ERROR_CHARACTERS],
                cause=str(error)[:_CAUSE_CHARACTERS],
            )
        except (BotoCoreError, ClientError) as failure:
            self._logger.warning("Failure not reported", reason=str(failure))

    def send_heartbeat(self) -> None:
        """Keep the state waiting; a failed heartbeat is only logged, since more will follow.

        Raises:
            ExecutionMovedOnError: the state no longer waits.
        """
        if self._token is None:
            return
        try:
            self._client.send_task_heartbeat(taskToken=self._token)
        except ClientError as failure:
            if failure.response["Error"]["Code"] in _MOVED_ON:
                raise ExecutionMovedOnError from failure
            self._logger.warning("Heartbeat not sent", reason=str(failure))
        except BotoCoreError as failure:
            self._logger.warning("Heartbeat not sent", reason=str(failure))


class Heartbeats:
    """Sends a heartbeat when bytes have moved, at most every 10 s."""

    def __init__(self, task: TaskToken, clock: Callable[[], float] = time.monotonic) -> None:
        self._task = task
        self._clock = clock
        self._sent_at = float("-inf")
        self._sent_for = (0, 0, 0)

    def __call__(self, progress: Progress) -> None:
        moved = (progress.bytes_arrived, progress.bytes_done, progress.bytes_verified)
        now = self._clock()
        if moved != self._sent_for and now - self._sent_at >= _HEARTBEAT_SECONDS:
            self._sent_for, self._sent_at = moved, now
            self._task.send_heartbeat()
