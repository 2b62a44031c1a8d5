"""Kept-alive HTTP connections for many threads, through a proxy if one is configured.

Python reads the proxies (`HTTPS_PROXY`, `NO_PROXY`, …) from the environment. OpenSSL reads the
certificate authorities (`SSL_CERT_FILE`, `SSL_CERT_DIR`) unless a bundle is given.
"""

from __future__ import annotations

import socket
import ssl
import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from model_import.transport.direct_response import DirectResponse, SecureHttpResponse, read_directly

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from urllib.parse import SplitResult


class PoolsClosedError(Exception):
    """The pools were closed before the request or during it."""


class Cut:
    """Ends one request from another thread, while it waits for its answer or reads it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_cut = False

    def __call__(self) -> None:
        """Drop the connection; the thread that reads from it gets an error."""
        with self._lock:
            self._is_cut = True
            if self._socket is not None:
                _shut_down(self._socket)

    def bind(self, connected: object) -> None:
        """Note the connection that the request uses."""
        if isinstance(connected, socket.socket):
            with self._lock:
                self._socket = connected
                if self._is_cut:
                    _shut_down(connected)

    def release(self) -> None:
        """Forget the connection, which may now serve another request."""
        with self._lock:
            self._socket = None


class HttpPools:
    """Sends requests without retries and redirects; `close` also ends requests in flight.

    `ca_bundle` is a file of the certificate authorities to trust.
    """

    def __init__(
        self,
        *,
        connections: int,
        connect_timeout_seconds: float,
        read_timeout_seconds: float,
        ca_bundle: str | None = None,
    ) -> None:
        self.closed = threading.Event()
        self._sockets = _OpenSockets()
        self._cuts = _CutsOfThreads()
        self._classes = _watched_pool_classes(self._sockets, self._cuts)
        self._settings: dict[str, Any] = {
            "maxsize": connections,
            "block": False,
            "retries": False,
            "timeout": urllib3.Timeout(connect=connect_timeout_seconds, read=read_timeout_seconds),
            "ca_certs": ca_bundle,
        }
        self._proxies = getproxies()
        self._proxies_of_hosts: dict[tuple[str, str | None], str | None] = {}
        self._managers: dict[str | None, urllib3.PoolManager] = {}
        self._managers_lock = threading.Lock()

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: Iterable[memoryview] | None = None,
        cut: Cut | None = None,
    ) -> DirectResponse:
        """Return the response, with its body unread and not decoded.

        A body is sent piece by piece, and `headers` must have its length. `cut` can end the request
        until it is released; release it after reading the body.

        Raises:
            PoolsClosedError: `close` was called before the request or during it.
            urllib3.exceptions.HTTPError: there was no response.
        """
        self._cuts.current = cut
        try:
            pool, target = self._pool_and_target(url)
            response = pool.urlopen(
                method,
                target,
                headers=headers,
                body=body,  # type: ignore[arg-type] # http.client sends any buffer
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            return cast("DirectResponse", response)  # the connections of these pools return it
        except urllib3.exceptions.HTTPError as error:
            if self.closed.is_set():
                raise PoolsClosedError from error
            raise
        finally:
            self._cuts.current = None

    def close(self) -> None:
        """Drop every connection, idle or in use; threads that wait on one get an error."""
        self.closed.set()
        self._sockets.shut()
        with self._managers_lock:
            for manager in self._managers.values():
                manager.clear()

    def _pool_and_target(self, url: str) -> tuple[urllib3.PoolManager | HTTPConnectionPool, str]:
        """Return the pool or manager for a request, and the URL in the form that it accepts.

        A manager encodes the whole URL, character by character, before its pool encodes it again.
        With a signed location, that is a quarter of the cost of a request.
        """
        parts = urlsplit(url)
        proxy = self._proxy(parts)
        manager = self._manager(proxy)
        if proxy is not None or parts.hostname is None:
            return manager, url
        pool = manager.connection_from_host(parts.hostname, parts.port, parts.scheme)
        return pool, urlunsplit(("", "", parts.path or "/", parts.query, ""))

    def _manager(self, proxy: str | None) -> urllib3.PoolManager:
        with self._managers_lock:
            if self.closed.is_set():
                raise PoolsClosedError
            if proxy not in self._managers:
                self._managers[proxy] = self._new_manager(proxy)
            return self._managers[proxy]

    def _proxy(self, parts: SplitResult) -> str | None:
        """Return the proxy for a host; it is kept, since finding it reads all variables."""
        place = parts.scheme, parts.hostname
        if place not in self._proxies_of_hosts:
            self._proxies_of_hosts[place] = self._find_proxy(*place)
        return self._proxies_of_hosts[place]

    def _find_proxy(self, scheme: str, hostname: str | None) -> str | None:
        if hostname is None or proxy_bypass(hostname):
            return None
        return self._proxies.get(scheme) or self._proxies.get("all")

    def _new_manager(self, proxy: str | None) -> urllib3.PoolManager:
        if proxy is None:
            manager = urllib3.PoolManager(**self._settings)
        else:
            user = urlsplit(proxy).netloc.rpartition("@")[0]
            headers = urllib3.make_headers(proxy_basic_auth=user) if user else None
            manager = urllib3.ProxyManager(proxy, proxy_headers=headers, **self._settings)
        manager.pool_classes_by_scheme = self._classes
        return manager


class _CutsOfThreads(threading.local):
    current: Cut | None = None


class _OpenSockets:
    """The sockets in use or kept alive, so that another thread can shut them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._shut = False

    def add(self, connected: object) -> None:
        if not isinstance(connected, socket.socket):
            return  # TLS within a TLS proxy: only its timeouts end it
        with self._lock:
            self._sockets.add(connected)
            if self._shut:
                _shut_down(connected)

    def shut(self) -> None:
        with self._lock:
            self._shut = True
            for connected in self._sockets:
                _shut_down(connected)


def untrusted_certificate(error: BaseException) -> str | None:
    """Return why a certificate was refused, if that caused the error of a request."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return seen.verify_message
        inner = next((arg for arg in seen.args if isinstance(arg, BaseException)), None)
        seen = inner or seen.__cause__ or seen.__context__
    return None


def _shut_down(connected: socket.socket) -> None:
    with suppress(OSError):
        # Not `connected.shutdown`: on a TLS socket, a reading thread would continue without TLS.
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


def _watched_pool_classes(
    sockets: _OpenSockets, cuts: _CutsOfThreads
) -> dict[str, type[HTTPConnectionPool]]:
    """Return pool classes whose connections add their socket as soon as it is open.

    Their responses read directly into the caller's buffer, without a copy.
    """

    def connected(connection: HTTPConnection) -> None:
        sockets.add(connection.sock)
        requested(connection)

    def requested(connection: HTTPConnection) -> None:
        if cuts.current is not None:
            cuts.current.bind(connection.sock)

    class Connection(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            connected(self)

        def request(self, *args: Any, **settings: Any) -> None:  # noqa: ANN401 as the base
            requested(self)
            super().request(*args, **settings)

        def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override] # as the base
            return read_directly(super().getresponse())

    class SecureConnection(Connection, HTTPSConnection):
        response_class = SecureHttpResponse

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = SecureConnection

    return {"http": Pool, "https": SecurePool}
