"""Finds the location of a file of a Hub repository: follows the Hub's redirects by HEAD.

The Hub answers `resolve` with a redirect to a signed location on another host. The request has no
Range, since the location would then be valid only for that range.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urljoin, urlsplit

from model_import.errors import HubUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from model_import.manifest import Source
    from model_import.transport.direct_response import DirectResponse

REDIRECTS: Final = (301, 302, 303, 307, 308)
_REDIRECTS_AT_MOST: Final = 10


@dataclass(frozen=True, slots=True)
class Resolved:
    """The location of a file; it may be signed, so no text contains it."""

    path: str
    location: str = field(repr=False)
    size_bytes: int = -1
    sha256: str | None = None
    is_final: bool = False

    def after(self, response: DirectResponse) -> Resolved:
        """Return what is known after one answer to HEAD.

        The Hub announces the size and the hash of a large file in the redirect to another host. A
        signed location does not accept HEAD, so that redirect is the last one to follow.
        """
        headers = response.headers
        size_bytes = int(headers.get("X-Linked-Size", self.size_bytes))
        sha256 = _sha256(headers.get("X-Linked-Etag")) or self.sha256
        target = headers.get("Location") if response.status in REDIRECTS else None
        if target is None:
            if size_bytes < 0 and "Content-Length" not in headers:
                raise HubUnavailableError(self.path, "it does not report the size of the file")
            size_bytes = int(headers["Content-Length"]) if size_bytes < 0 else size_bytes
            return Resolved(self.path, self.location, size_bytes, sha256, is_final=True)
        location = urljoin(self.location, target)
        leaves = origin(location) != origin(self.location)
        return Resolved(
            self.path, location, size_bytes, sha256, is_final=leaves and size_bytes >= 0
        )


def resolve(source: Source, path: str, head: Callable[[str], DirectResponse]) -> Resolved:
    """Return the location of a file; `head` returns an answer or a redirect, or raises.

    Raises:
        HubUnavailableError: the redirects do not end, or the answer has no length.
    """
    endpoint = source.endpoint.rstrip("/")
    resolved = Resolved(path, f"{endpoint}/{source.repo_id}/resolve/{source.commit}/{quote(path)}")
    for _ in range(_REDIRECTS_AT_MOST):
        resolved = resolved.after(head(resolved.location))
        if resolved.is_final:
            return resolved
    raise HubUnavailableError(path, f"it redirected {_REDIRECTS_AT_MOST} times")


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Return the scheme, host and port of a URL."""
    parts = urlsplit(url)
    default_port = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or default_port


def _sha256(etag: str | None) -> str | None:
    """Return the hash in an X-Linked-Etag; outside LFS, the header has a git id instead."""
    found = re.fullmatch(r'(?:W/)?"?([0-9a-f]{64})"?', etag or "")
    return found[1] if found else None
