"""The secret that the Hub sends with every delivery, verbatim, in X-Webhook-Secret."""

from __future__ import annotations

import hmac
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_secretsmanager import SecretsManagerClient

KEPT_SECONDS: Final = 300
"""How long a secret is used without a look at Secrets Manager."""

_DOUBTED_SECONDS: Final = 15
"""How often a wrong secret makes it look sooner: one that was just rotated is known at once."""

_STAGES: Final = ("AWSCURRENT", "AWSPREVIOUS")


@dataclass(slots=True)
class WebhookSecret:
    """What Secrets Manager holds: the present secret, and the one before it, which stays valid.

    A rotation therefore needs no deployment and loses no delivery: put the new secret, give it to
    the Hub, and with the next rotation the old one goes.
    """

    client: SecretsManagerClient
    secret_arn: str
    clock: Callable[[], float] = time.monotonic
    _valid: tuple[bytes, ...] = field(default=(), init=False, repr=False)
    _read_at: float | None = field(default=None, init=False)

    def admits(self, given: str) -> bool:
        """Return whether a delivery is the Hub's; the time that this takes tells nothing.

        Raises:
            ClientError: Secrets Manager refused, or could not answer.
        """
        if self._is_older_than(KEPT_SECONDS):
            self._read()
        if self._matches(given):
            return True
        if self._is_older_than(_DOUBTED_SECONDS):
            self._read()
            return self._matches(given)
        return False

    def _matches(self, given: str) -> bool:
        # Headers are Latin-1 on the wire; a comparison of texts would raise outside ASCII.
        found = given.encode(errors="replace")
        matches = [hmac.compare_digest(found, valid) for valid in self._valid]
        return any(matches)

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
