"""Links that decide: what they say is signed, so that nobody makes one or changes one.

A link is the URL of the function and then `approve/<id>?expires=<Unix time>&signature=<HMAC>`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from model_import.approval.decision import Decision

if TYPE_CHECKING:
    from model_import.aws.rotated_secret import RotatedSecret

_PATH: Final = re.compile(r"/(approve|decline)/([0-9a-f]{32})")
_QUERY: Final = re.compile(r"expires=([0-9]{1,12})&signature=([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class DecisionLink:
    """A decision about one request, to be taken before `expires_at`, a Unix time."""

    decision: Decision
    approval_id: str
    expires_at: int

    def signed(self, key: bytes) -> str:
        """Return what follows the URL of the function."""
        return f"{self._text()}&signature={self._signature(key)}"

    def is_signed_by(self, signature: str, key: bytes) -> bool:
        """Return whether a signature is this link's; the time that this takes tells nothing."""
        return hmac.compare_digest(signature, self._signature(key))

    def _text(self) -> str:
        return f"{self.decision}/{self.approval_id}?expires={self.expires_at}"

    def _signature(self, key: bytes) -> str:
        return hmac.new(key, self._text().encode(), hashlib.sha256).hexdigest()


def read_link(path: str, query: str, secret: RotatedSecret) -> DecisionLink | None:
    """Return the link of a request, both parts as they came, or None if it is not exactly one."""
    where, said = _PATH.fullmatch(path), _QUERY.fullmatch(query)
    if not where or not said:
        return None
    link = DecisionLink(Decision(where[1]), where[2], int(said[1]))
    # A number may be written in several ways; the signature is of one.
    if str(link.expires_at) != said[1]:
        return None
    return link if secret.admits(lambda key: link.is_signed_by(said[2], key)) else None
