"""Reads files of a Hub repository at one commit, by Range.

The Hub resolves a file to a location. All reads of the file use this location until it expires, and
then the file is resolved again. Only the Hub's own host gets the token. No error contains the token
or a signed location. If a server ignores Range, one request reads the file in order.
"""

from __future__ import annotations

import re
import threading
import weakref
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NoReturn
from urllib.parse import urlsplit

from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError, SSLError

from model_import.errors import (
    CertificateUntrustedError,
    ChecksumMismatchError,
    HubUnavailableError,
)
from model_import.sources.hub.range_read import RangeRead
from model_import.sources.hub.refusals import (
    REASON,
    REFUSED,
    HubRequest,
    refusal_by_status,
    stated_refusal,
)
from model_import.sources.hub.resolve import REDIRECTS, Resolved, origin, resolve
from model_import.sources.hub.whole_file_stream import WholeFileStream
from model_import.transport.pools import HttpPools, PoolsClosedError, untrusted_certificate
from model_import.transport.retries import Retries, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from model_import.manifest import Source
    from model_import.transport.direct_response import DirectResponse
    from model_import.transport.pools import Cut

_RATE_WINDOW_SECONDS: Final = 300
"""The longest wait for the Hub's rate limit: https://huggingface.co/docs/hub/rate-limits"""

_PATIENCE_SECONDS: Final = 120
"""Less than the timeout of any function; a caller that has more time passes its own value."""

_EXPIRED: Final = (*REFUSED, HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
"""The answers of a signed location that has expired, or whose file has been replaced."""
_TRANSIENT: Final = (408, 429, 500, 502, 503, 504)
_THROTTLING: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class HubFiles:
    """Opens the files of one repository; all threads share its connections.

    A request fails after `attempts` failures in a row without a byte in between, or if these last
    longer than `patience_seconds`. A connection may be silent for `read_timeout_seconds`. `sleep`
    replaces the waits between attempts. `ca_bundle` is a file of the certificate authorities to
    trust.
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
        patience_seconds: float = _PATIENCE_SECONDS,
        sleep: Callable[[float], object] | None = None,
        ca_bundle: str | None = None,
    ) -> None:
        self.source = source
        self._token = token
        self._pools = HttpPools(
            connections=connections,
            connect_timeout_seconds=connect_timeout_seconds,
            read_timeout_seconds=read_timeout_seconds,
            ca_bundle=ca_bundle,
        )
        self._retries = Retries(attempts, self._pools.closed, sleep, patience_seconds)
        self._on_failure: Callable[[TransientError], None] = lambda _: None
        self._files: weakref.WeakSet[RemoteFile] = weakref.WeakSet()

    def report_failures(self, on_failure: Callable[[TransientError], None]) -> None:
        """Have `on_failure` called with every failure that is retried, in the failing thread."""
        self._on_failure = on_failure

    def open(self, path: str) -> RemoteFile:
        """Ask the Hub for the location and the size of a file.

        Raises:
            RepositoryGatedError, RepositoryNotFoundError, RevisionNotFoundError,
            RepositoryFileNotFoundError, HubAccessRefusedError: the Hub refuses for this reason.
            CertificateUntrustedError: the certificate of the server is not trusted.
            HubUnavailableError: the attempts are used up, or the answer is not usable.
        """
        file = RemoteFile(self, self.resolve(path))
        self._files.add(file)
        return file

    def close(self) -> None:
        """Drop all connections; a read in progress raises PoolsClosedError."""
        self._pools.close()
        for file in list(self._files):
            file.close()

    def resolve(self, path: str) -> Resolved:
        """Return the current location of a file; raises as `open` does."""
        head = partial(self._head, path)
        return self.call_with_retries(path, lambda: resolve(self.source, path, head))

    def call_with_retries[T](
        self, path: str, try_once: Callable[[], T], *, wake: threading.Event | None = None
    ) -> T:
        """Return what `try_once` returns, with retries."""
        try:
            return self._retries.call(try_once, self._on_failure, wake=wake)
        except TransientError as error:
            if self._pools.closed.is_set():
                raise PoolsClosedError from error
            raise HubUnavailableError(path, f"{error}, {error.attempts_text}") from error

    def request(
        self, method: str, url: str, range_header: str | None = None, cut: Cut | None = None
    ) -> DirectResponse:
        """Return the answer of the Hub, or of the host it redirects to, with an unread body."""
        headers = {"User-Agent": "model-import", "Accept-Encoding": "identity"}
        if range_header is not None:
            headers["Range"] = range_header
        if self._token is not None and self.is_hub(url):
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            return self._pools.request(method, url, headers=headers, cut=cut)
        except HTTPError as error:
            why = untrusted_certificate(error)
            if why is not None:
                raise CertificateUntrustedError(urlsplit(url).hostname or "", why) from error
            raise failure(error) from error

    @property
    def is_closed(self) -> bool:
        """Return whether `close` was called."""
        return self._pools.closed.is_set()

    def is_hub(self, url: str) -> bool:
        """Return whether a location is on the Hub's own host; only that host gets the token."""
        return origin(url) == origin(self.source.endpoint)

    def note_failure(self, failed: TransientError) -> None:
        """Report a failure that needs no wait, since bytes arrived before it."""
        self._on_failure(failed)

    def refuse(self, path: str, response: DirectResponse) -> NoReturn:
        """Raise the error for an answer that is not a success."""
        response.close()
        source, status, headers = self.source, response.status, response.headers
        with_token = self._token is not None
        request = HubRequest(source.endpoint, source.repo_id, source.commit, with_token, path)
        stated = stated_refusal(request, headers)
        if stated is not None:
            raise stated
        if status in _TRANSIENT:
            wait_seconds = _requested_wait(response)
            asks = "" if wait_seconds is None else f" and asks to wait {wait_seconds:g} s"
            raise TransientError(
                f"it answered {status}{asks}",
                wait_seconds=wait_seconds,
                is_throttling=status in _THROTTLING,
            )
        what = f"{path!r} of {source.repo_id!r}"
        raise refusal_by_status(what, status, headers.get(REASON), with_token=with_token)

    def _head(self, path: str, location: str) -> DirectResponse:
        response = self.request("HEAD", location)
        response.drain_conn()
        if response.status not in (HTTPStatus.OK, *REDIRECTS):
            self.refuse(path, response)
        return response


class RemoteFile:
    """A file on the Hub; its reads may run in any number of threads.

    A read raises as `HubFiles.open` does, and ChecksumMismatchError if the file was replaced.
    """

    def __init__(self, hub: HubFiles, resolved: Resolved) -> None:
        self.path: Final = resolved.path
        self.size_bytes: Final = resolved.size_bytes
        self.sha256: Final = resolved.sha256
        self._hub = hub
        self._location = resolved.location
        self._location_lock = threading.Lock()
        self._whole = WholeFileStream(self._open_whole, lambda: hub.is_closed)
        self._ignores_range = threading.Event()

    @property
    def ignores_range(self) -> bool:
        """Return whether the server ignores Range, so that one request reads the file in order."""
        return self._ignores_range.is_set()

    def close(self) -> None:
        """Close the open response; the connections must have been dropped before."""
        self._whole.close()

    def read_all(self, max_bytes: int) -> bytes:
        """Return the whole file.

        Raises:
            ValueError: it is longer than `max_bytes`.
        """
        if self.size_bytes > max_bytes:
            message = f"{self.path!r} has {self.size_bytes} bytes; the limit is {max_bytes} bytes"
            raise ValueError(message)
        return self.read(0, self.size_bytes)

    def read(self, start: int, length: int) -> bytes:
        content = bytearray(length)
        self.read_into(start, memoryview(content))
        return bytes(content)

    def read_into(
        self, start: int, buffer: memoryview, arrived: Callable[[int], None] = lambda _: None
    ) -> None:
        """Fill the whole buffer from `start`; call `arrived` with the size of each chunk.

        If the connection drops, the read resumes at the byte that it had reached.
        """
        self.fill(RangeRead(start, buffer, arrived))

    def fill(self, read: RangeRead) -> None:
        """Read a range to its end, as `read_into` does.

        Raises:
            RangeAbandonedError: the range was abandoned during the read.
        """
        while read.left:
            read_some = self._read_in_turn if self.ignores_range else self._read_some
            self._hub.call_with_retries(self.path, partial(read_some, read), wake=read.wake)
        self._whole.note_complete(read)

    def _read_in_turn(self, read: RangeRead) -> None:
        with self._whole.turn(read), read.connection() as cut:
            furthest_before = self._whole.furthest
            try:
                self._whole.read_on(read, cut)
            except (HTTPError, TransientError) as error:
                read.check()
                self._raise_unless_progress(
                    error, is_progress=self._whole.furthest > furthest_before
                )

    def _read_some(self, read: RangeRead) -> None:
        """Read the bytes of one request; a drop before the first byte is a failure."""
        reached_before = read.reached
        with read.connection() as cut:
            response = self._open_range(read, cut)
            if response is None:
                return
            try:
                _fill_from(response, read)
            except (HTTPError, TransientError) as error:
                read.check()
                self._raise_unless_progress(error, is_progress=read.reached > reached_before)
            finally:
                response.close()

    def _raise_unless_progress(
        self, error: HTTPError | TransientError, *, is_progress: bool
    ) -> None:
        """Return, so that the rest is requested at once, if bytes arrived; else raise."""
        failed = error if isinstance(error, TransientError) else failure(error)
        if not is_progress:
            raise failed from error
        self._hub.note_failure(failed)

    def _open_range(self, read: RangeRead, cut: Cut) -> DirectResponse | None:
        """Return an answer that has the range, or None if the server ignored Range."""
        positions = f"{read.position}-{read.end - 1}"
        response = self._open(f"bytes={positions}", cut)
        try:
            if response.status == HTTPStatus.OK and not self._is_beginning(read):
                response.close()
                self._ignores_range.set()
                return None
            if response.status == HTTPStatus.PARTIAL_CONTENT:
                self._check_range(response, positions)
        except BaseException:
            response.close()
            raise
        return response

    def _is_beginning(self, read: RangeRead) -> bool:
        """Return whether an answer that begins with the first byte serves this read."""
        return read.position == 0 and (read.after is None or read.end == self.size_bytes)

    def _open_whole(self, cut: Cut) -> DirectResponse:
        response = self._open(None, cut)
        if response.status != HTTPStatus.OK:
            response.close()
            why = f"it answered {response.status} to a request without Range"
            raise HubUnavailableError(self.path, why)
        return response

    def _open(self, range_header: str | None, cut: Cut) -> DirectResponse:
        """Return an answer that has bytes of the file, from a location that has not expired."""
        location = self._location
        response = self._hub.request("GET", location, range_header, cut)
        if response.status in _EXPIRED and not self._hub.is_hub(location):
            response.close()
            location = self._relocate(location)
            response = self._hub.request("GET", location, range_header, cut)
            if response.status in _EXPIRED and not self._hub.is_hub(location):
                response.close()
                raise TransientError(f"the location of the file answered {response.status}")
        if response.status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            self._hub.refuse(self.path, response)
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            response.close()
            raise HubUnavailableError(self.path, f"it served the file encoded as {encoding}")
        return response

    def _check_range(self, response: DirectResponse, positions: str) -> None:
        answered = response.headers.get("Content-Range", "")
        if not answered.startswith(f"bytes {positions}/"):
            raise TransientError(f"the request was for bytes {positions}, but {answered!r} came")

    def _relocate(self, expired: str) -> str:
        """Return a location other than the expired one; ask the Hub once for all threads."""
        with self._location_lock:
            if self._location == expired:
                resolved = self._hub.resolve(self.path)
                self._verify_same(resolved)
                self._location = resolved.location
            return self._location

    def _verify_same(self, resolved: Resolved) -> None:
        announced = f"{self.size_bytes} bytes, SHA-256 {self.sha256}"
        found = f"{resolved.size_bytes} bytes, SHA-256 {resolved.sha256}"
        if announced != found:
            found += " at a later request"
            raise ChecksumMismatchError(self.path, expected=announced, found=found)


def _requested_wait(response: DirectResponse) -> float | None:
    """Return the seconds to the next rate window; the Hub sends RateLimit and no Retry-After."""
    if response.status != HTTPStatus.TOO_MANY_REQUESTS:
        return None
    found = re.search(r"\bt=(\d+)", response.headers.get("RateLimit", ""))
    return min(int(found[1]), _RATE_WINDOW_SECONDS) if found else None


def _fill_from(response: DirectResponse, read: RangeRead) -> None:
    for count in response.readinto_each(lambda: read.step):
        read.advance(count)
    if read.left:
        raise TransientError("the body ended before the end of the range")


def failure(error: HTTPError) -> TransientError:
    """Return the failure, with the error's text only if that cannot quote the request."""
    name = type(error).__name__
    is_safe_to_quote = isinstance(error, (NewConnectionError, SSLError))
    why = f"{name}: {error}" if is_safe_to_quote else name
    return TransientError(why, is_stall=isinstance(error, ReadTimeoutError))
