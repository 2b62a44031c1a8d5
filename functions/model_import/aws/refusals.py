"""What AWS refuses, as errors of this project, and how long to wait for its answers."""

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
"""For the clients that read an account: an answer in seconds, or an error that is tried later."""


@contextmanager
def translate_aws_errors(service: str) -> Iterator[None]:
    """Have a call of an AWS service fail with errors of this project.

    Raises:
        PermissionMissingError: IAM refuses; it names the action, whose prefix is `service`.
        AwsUnavailableError: Anything else; trying again is the remedy.
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
