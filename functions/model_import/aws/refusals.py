"""Translates errors of AWS, and limits how long a call may take."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from model_import.errors import AwsUnavailableError, PermissionMissingError

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT_CALLS: Final = Config(
    connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2}
)
"""For clients that read an account: a call ends in seconds, and the state machine retries it."""


@contextmanager
def translate_aws_errors(service: str) -> Iterator[None]:
    """Translate the errors of a call to an AWS service into those of errors.py.

    Raises:
        PermissionMissingError: IAM refuses the action, whose prefix is `service`.
        AwsUnavailableError: Any other failure; a retry may help.
    """
    try:
        yield
    except ClientError as error:
        action, reason = f"{service}:{error.operation_name}", error.response["Error"]
        if reason["Code"] in ("AccessDenied", "AccessDeniedException"):
            raise PermissionMissingError(action, reason.get("Message", "")) from error
        why = f"{reason['Code']} ({reason.get('Message', '')})"
        raise AwsUnavailableError(action, why) from error
    except BotoCoreError as error:
        raise AwsUnavailableError(service, str(error)) from error
