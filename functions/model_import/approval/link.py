"""Signed links that decide; nobody without the secret can make or change one.

A link is the URL of the function, followed by
`approve/<id>?expires=<Unix time>&signature=<HMAC>`.
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
    """A decision about one request; the link is valid until `expires_at`, a Unix time."""

    decision: Decision
    approval_id: str
    expires_at: int

    def signed(self, key: bytes) -> str:
        """Return the path and query that follow the URL of the function."""
        return f"{self._text()}&signature={self._signature(key)}"

    def is_signed_by(self, signature: str, key: bytes) -> bool:
        """Return whether a signature is this link's, compared in constant time."""
        return hmac.compare_digest(signature, self._signature(key))

    def _text(self) -> str:
        return f"{self.decision}/{self.approval_id}?expires={self.expires_at}"

    def _signature(self, key: bytes) -> str:
        return hmac.new(key, self._text().encode(), hashlib.sha256).hexdigest()


def read_link(path: str, query: str, secret: RotatedSecret) -> DecisionLink | None:
    """Return the link in a request's path and query, or None if it is malformed or not signed."""
    in_path, in_query = _PATH.fullmatch(path), _QUERY.fullmatch(query)
    if not in_path or not in_query:
        return None
    link = DecisionLink(Decision(in_path[1]), in_path[2], int(in_query[1]))
    # A number has several spellings (leading zeros), and only one is signed.
    if str(link.expires_at) != in_query[1]:
        return None
    return link if secret.accepts(lambda key: link.is_signed_by(in_query[2], key)) else None
