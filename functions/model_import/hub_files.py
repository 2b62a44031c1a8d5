"""Files of a Hub repository at one commit, read by Range.

The Hub answers `resolve` with a redirect to a signed location on another host. The location is
asked for without Range (with one it would be bound to that very range), is kept for every read of
the file, and is asked for again when it has expired. The token goes to the Hub's own host only, and
neither it nor a signed location is ever part of an error.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NoReturn
from urllib.parse import quote, urljoin, urlsplit

from urllib3.exceptions import HTTPError, NewConnectionError, SSLError

from model_import.errors import (
    HubUnavailableError,
    RepositoryDisabledError,
    RepositoryFileNotFoundError,
    RepositoryGatedError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from model_import.http_pools import HttpPools, PoolsClosedError
from model_import.retries import Retries, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from urllib3 import BaseHTTPResponse

    from model_import.manifest import Source

_CHUNK_BYTES: Final = 256 * 1024
"""What is lost at most when a connection drops, and the step in which arrival is told."""

_RATE_WINDOW_SECONDS: Final = 300
"""No wait for the Hub's rate limit is longer: https://huggingface.co/docs/hub/rate-limits"""

_REDIRECTS_AT_MOST: Final = 10
_DISABLED: Final = "Access to this resource is disabled."
"""It has no code of its own: huggingface_hub 2.4 tells it by this sentence too."""

_EXPIRED: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_TRANSIENT: Final = (408, 429, 500, 502, 503, 504)


class HubFiles:
    """Opens the files of one repository; connections are kept, and shared by all threads.

    `attempts` counts failures in a row without a byte between them. `read_timeout_seconds` is how
    long a connection may be silent. `sleep` replaces the waits between attempts.
    """

    def __init__(  # noqa: PLR0913 settings, each with its default
        self,
        source: Source,
        token: str | None = None,
        *,
        connections: int = 8,
        connect_timeout_seconds: float = 10,
        read_timeout_seconds: float = 30,
        attempts: int = 8,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self.source = source
        self._token = token
        self._pools = HttpPools(
            connections=connections,
            connect_timeout_seconds=connect_timeout_seconds,
            read_timeout_seconds=read_timeout_seconds,
        )
        self._retries = Retries(attempts, self._pools.closed, sleep)

    def open(self, path: str) -> RemoteFile:
        """Ask the Hub where a file lies, and how long it is.

        Raises:
            RepositoryGatedError, RepositoryNotFoundError, RevisionNotFoundError,
            RepositoryFileNotFoundError: as the Hub says.
            HubUnavailableError: the attempts are used up, or the answer is of no use.
        """
        return RemoteFile(self, self.resolve(path))

    def close(self) -> None:
        """Drop all connections; a read that is under way ends in PoolsClosedError."""
        self._pools.close()

    def resolve(self, path: str) -> Resolved:
        """Return where a file lies now; raises as `open` does."""
        return self.persist(path, lambda: self._resolve_once(path))

    def persist[T](self, path: str, try_once: Callable[[], T]) -> T:
        """Return what `try_once` does, tried again as long as that makes sense."""
        try:
            return self._retries.call(try_once)
        except TransientError as error:
            if self._pools.closed.is_set():
                raise PoolsClosedError from error
            why = f"{error}, {self._retries.attempts} times in a row"
            raise HubUnavailableError(path, why) from error

    def request(self, method: str, url: str, range_header: str | None = None) -> BaseHTTPResponse:
        """Return the answer of the Hub or of the host that it named, with the body unread."""
        headers = {"User-Agent": "model-import", "Accept-Encoding": "identity"}
        if range_header is not None:
            headers["Range"] = range_header
        if self._token is not None and _origin(url) == _origin(self.source.endpoint):
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            return self._pools.request(method, url, headers=headers)
        except HTTPError as error:
            raise TransientError(_failure(error)) from error

    def refuse(self, path: str, response: BaseHTTPResponse) -> NoReturn:
        """Raise the error that an answer other than the one hoped for stands for."""
        response.close()
        status, code = response.status, response.headers.get("X-Error-Code")
        source, with_token = self.source, self._token is not None
        page_url = f"{source.endpoint.rstrip('/')}/{source.repo_id}"
        if response.headers.get("X-Error-Message") == _DISABLED:
            raise RepositoryDisabledError(source.repo_id, page_url)
        if code == "GatedRepo":
            raise RepositoryGatedError(source.repo_id, page_url, with_token=with_token)
        if code == "RepoNotFound":
            raise RepositoryNotFoundError(source.repo_id, with_token=with_token)
        if code == "RevisionNotFound":
            raise RevisionNotFoundError(source.repo_id, source.commit)
        if code == "EntryNotFound":
            raise RepositoryFileNotFoundError(source.repo_id, source.commit, path)
        if status in _TRANSIENT:
            raise TransientError(f"it answered {status}", wait_seconds=_asked_wait(response))
        message = response.headers.get("X-Error-Message", "no reason given")[:200]
        raise HubUnavailableError(path, f"it answered {status} ({message})")

    def _resolve_once(self, path: str) -> Resolved:
        source = self.source
        resolved = Resolved(
            path,
            f"{source.endpoint.rstrip('/')}/{source.repo_id}/resolve/{source.commit}/{quote(path)}",
        )
        for _ in range(_REDIRECTS_AT_MOST):
            response = self.request("HEAD", resolved.location)
            response.drain_conn()
            if response.status not in (HTTPStatus.OK, *_REDIRECTS):
                self.refuse(path, response)
            resolved = resolved.after(response)
            if resolved.is_final:
                return resolved
        raise HubUnavailableError(path, f"it redirected {_REDIRECTS_AT_MOST} times")


@dataclass(frozen=True, slots=True)
class Resolved:
    """Where a file lies; the location may be signed, and so is kept out of every text."""

    path: str
    location: str = field(repr=False)
    size_bytes: int = -1
    sha256: str | None = None
    is_final: bool = False

    def after(self, response: BaseHTTPResponse) -> Resolved:
        """Return what is known after one answer to HEAD.

        The Hub announces size and hash of a large file on the redirect away from its host; a signed
        location takes no HEAD, so that is where the way ends.
        """
        headers = response.headers
        size_bytes = int(headers.get("X-Linked-Size", self.size_bytes))
        sha256 = _sha256(headers.get("X-Linked-Etag")) or self.sha256
        target = headers.get("Location") if response.status in _REDIRECTS else None
        if target is None:
            if size_bytes < 0 and "Content-Length" not in headers:
                raise HubUnavailableError(self.path, "it does not say how long the file is")
            size_bytes = int(headers["Content-Length"]) if size_bytes < 0 else size_bytes
            return Resolved(self.path, self.location, size_bytes, sha256, is_final=True)
        location = urljoin(self.location, target)
        leaves = _origin(location) != _origin(self.location)
        return Resolved(
            self.path, location, size_bytes, sha256, is_final=leaves and size_bytes >= 0
        )


class RemoteFile:
    """A file at the Hub; its reads may run in any number of threads.

    Each raises as `HubFiles.open` does.
    """

    def __init__(self, hub: HubFiles, resolved: Resolved) -> None:
        self.path: Final = resolved.path
        self.size_bytes: Final = resolved.size_bytes
        self.sha256: Final = resolved.sha256
        self._hub = hub
        self._location = resolved.location
        self._location_lock = threading.Lock()

    def read_all(self, max_bytes: int) -> bytes:
        """Return the whole file.

        Raises:
            ValueError: it is longer than `max_bytes`.
        """
        if self.size_bytes > max_bytes:
            message = f"{self.path!r} has {self.size_bytes} bytes, and at most {max_bytes} are read"
            raise ValueError(message)
        return self.read(0, self.size_bytes)

    def read(self, start: int, length: int) -> bytes:
        """Return `length` bytes from `start`."""
        content = bytearray(length)
        self.read_into(start, memoryview(content))
        return bytes(content)

    def read_into(
        self, start: int, buffer: memoryview, arrived: Callable[[int], None] = lambda _: None
    ) -> None:
        """Fill the whole buffer from `start`; `arrived` is told how many bytes came, as they come.

        After a drop the read goes on from the byte that it had reached.
        """
        reached = 0
        while reached < len(buffer):
            go_on = partial(self._read_some, start + reached, buffer[reached:], arrived)
            reached += self._hub.persist(self.path, go_on)

    def _read_some(self, start: int, buffer: memoryview, arrived: Callable[[int], None]) -> int:
        """Return how many bytes one request brought; a drop before the first is a failure."""
        response = self._open_range(start, len(buffer))
        reached = 0
        drop: HTTPError | None = None
        try:
            while count := response.readinto(buffer[reached : reached + _CHUNK_BYTES]):
                reached += count
                arrived(count)
        except HTTPError as error:
            drop = error
        finally:
            response.close()
        if reached == 0:
            raise TransientError(_failure(drop) if drop else "the body was empty") from drop
        return reached

    def _open_range(self, start: int, length: int) -> BaseHTTPResponse:
        asked = f"{start}-{start + length - 1}"
        location = self._location
        response = self._hub.request("GET", location, f"bytes={asked}")
        if response.status in _EXPIRED:
            response.close()
            location = self._relocate(location)
            response = self._hub.request("GET", location, f"bytes={asked}")
        if response.status in _EXPIRED and "X-Error-Code" not in response.headers:
            response.close()
            raise TransientError(f"its location answered {response.status}")
        if response.status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            self._hub.refuse(self.path, response)
        try:
            self._check(response, start, asked)
        except BaseException:
            response.close()
            raise
        return response

    def _check(self, response: BaseHTTPResponse, start: int, asked: str) -> None:
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise HubUnavailableError(self.path, f"it came encoded as {encoding}")
        if response.status == HTTPStatus.OK:
            if start != 0:
                raise HubUnavailableError(self.path, "the Hub (or the mirror) ignores Range")
            return
        answered = response.headers.get("Content-Range", "")
        if not answered.startswith(f"bytes {asked}/"):
            raise TransientError(f"bytes {asked} were asked for, and {answered!r} came")

    def _relocate(self, expired: str) -> str:
        """Return a location other than the expired one, asking the Hub once for all threads."""
        with self._location_lock:
            if self._location == expired:
                self._location = self._hub.resolve(self.path).location
            return self._location


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    default_port = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or default_port


def _sha256(etag: str | None) -> str | None:
    """Return the hash that an X-Linked-Etag holds; outside LFS it holds a git id instead."""
    found = re.fullmatch(r'(?:W/)?"?([0-9a-f]{64})"?', etag or "")
    return found[1] if found else None


def _asked_wait(response: BaseHTTPResponse) -> float | None:
    """Return the seconds to the next rate window; the Hub sends RateLimit and no Retry-After."""
    if response.status != HTTPStatus.TOO_MANY_REQUESTS:
        return None
    found = re.search(r"\bt=(\d+)", response.headers.get("RateLimit", ""))
    return min(int(found[1]), _RATE_WINDOW_SECONDS) if found else None


def _failure(error: HTTPError) -> str:
    """Return what went wrong, with the text only where it cannot quote the request."""
    name = type(error).__name__
    return f"{name}: {error}" if isinstance(error, (NewConnectionError, SSLError)) else name
