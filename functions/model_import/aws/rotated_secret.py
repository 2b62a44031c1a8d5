"""A secret in Secrets Manager that may be changed at any time, without a deployment."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_secretsmanager import SecretsManagerClient

KEPT_SECONDS: Final = 300
"""How long a secret is used without a look at Secrets Manager."""

_DOUBTED_SECONDS: Final = 15
"""How often a proof that fails makes it look sooner: a secret just rotated is known at once."""

_STAGES: Final = ("AWSCURRENT", "AWSPREVIOUS")


class SecretEmptyError(Exception):
    """Secrets Manager holds an empty secret, which would prove nothing."""

    def __init__(self, secret_arn: str) -> None:
        super().__init__(f"{secret_arn} is empty. Store a long random text in it.")


@dataclass(slots=True)
class RotatedSecret:
    """The present secret, and the one before it, which stays valid until the next rotation."""

    client: SecretsManagerClient
    secret_arn: str
    clock: Callable[[], float] = time.monotonic
    _valid: tuple[bytes, ...] = field(default=(), init=False, repr=False)
    _read_at: float | None = field(default=None, init=False)

    def current(self) -> bytes:
        """Return the present secret.

        Raises:
            SecretEmptyError: It is empty.
            ClientError: Secrets Manager refused, or could not answer.
        """
        if self._is_older_than(KEPT_SECONDS):
            self._read()
        if not self._valid:
            raise SecretEmptyError(self.secret_arn)
        return self._valid[0]

    def admits(self, proves: Callable[[bytes], bool]) -> bool:
        """Return whether something proves knowledge of a valid secret, as `proves` judges.

        Every valid secret is tried, so that the time tells nothing if `proves` compares in
        constant time.

        Raises:
            ClientError: Secrets Manager refused, or could not answer.
        """
        if self._is_older_than(KEPT_SECONDS):
            self._read()
        if self._is_proved(proves):
            return True
        if self._is_older_than(_DOUBTED_SECONDS):
            self._read()
            return self._is_proved(proves)
        return False

    def _is_proved(self, proves: Callable[[bytes], bool]) -> bool:
        proofs = [proves(secret) for secret in self._valid]
        return any(proofs)

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
            return None  # it was never rotated
        # An empty secret would admit everybody who sends none.
        return answer.get("SecretString", "").strip() or None
