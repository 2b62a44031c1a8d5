"""A secret in Secrets Manager that can be rotated at any time, without a deployment."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_secretsmanager import SecretsManagerClient

KEPT_SECONDS: Final = 300
"""How long a secret is cached."""

_REFRESH_SECONDS: Final = 15
"""After a failed check, a cache older than this is refreshed, to find a newly rotated secret."""

_STAGES: Final = ("AWSCURRENT", "AWSPREVIOUS")


class SecretEmptyError(Exception):
    """The secret in Secrets Manager is empty, so it cannot authenticate anybody."""

    def __init__(self, secret_arn: str) -> None:
        super().__init__(f"The secret {secret_arn} is empty. Store a long random string in it.")


@dataclass(slots=True)
class RotatedSecret:
    """The current secret, and the previous one, which remains valid until the next rotation."""

    client: SecretsManagerClient
    secret_arn: str
    clock: Callable[[], float] = time.monotonic
    _valid: tuple[bytes, ...] = field(default=(), init=False, repr=False)
    _read_at: float | None = field(default=None, init=False)

    def current(self) -> bytes:
        """Return the current secret.

        Raises:
            SecretEmptyError: It is empty.
            ClientError: Secrets Manager refused or failed.
        """
        if self._is_older_than(KEPT_SECONDS):
            self._read()
        if not self._valid:
            raise SecretEmptyError(self.secret_arn)
        return self._valid[0]

    def accepts(self, matches: Callable[[bytes], bool]) -> bool:
        """Return whether a credential matches a valid secret, which `matches` decides.

        Every valid secret is tried, so the time reveals nothing if `matches` compares in constant
        time.

        Raises:
            ClientError: Secrets Manager refused or failed.
        """
        if self._is_older_than(KEPT_SECONDS):
            self._read()
        if self._matches_any(matches):
            return True
        if self._is_older_than(_REFRESH_SECONDS):
            self._read()
            return self._matches_any(matches)
        return False

    def _matches_any(self, matches: Callable[[bytes], bool]) -> bool:
        results = [matches(secret) for secret in self._valid]
        return any(results)

    def _is_older_than(self, seconds: float) -> bool:
        return self._read_at is None or self.clock() - self._read_at >= seconds

    def _read(self) -> None:
        self._valid = tuple(
            secret.encode() for stage in _STAGES if (secret := self._read_stage(stage))
        )
        self._read_at = self.clock()

    def _read_stage(self, stage: str) -> str | None:
        try:
            answer = self.client.get_secret_value(SecretId=self.secret_arn, VersionStage=stage)
        except self.client.exceptions.ResourceNotFoundException:
            if stage == "AWSCURRENT":
                raise
            return None  # never rotated
        # An empty secret would accept every request without one.
        return answer.get("SecretString", "").strip() or None
