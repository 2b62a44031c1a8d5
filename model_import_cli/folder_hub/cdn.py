"""The host of large files: locations that are signed, expire, and allow one range."""

import hashlib
import hmac
import itertools
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import parse_qs, quote, unquote

from model_import_cli.folder_hub.faults import FaultPlan
from model_import_cli.folder_hub.http import Answer, HttpError, Request, file_answer
from model_import_cli.folder_hub.repositories import Repository, RepositoryFile

_LARGE_FILE = re.compile(
    r"/xet-bridge-local/(?P<repo_id>[^/]+/[^/]+)/(?P<sha256>[0-9a-f]{64})/(?P<path>.+)"
)
_TWO_CREDENTIALS = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InvalidArgument</Code><Message>Only one '
    "auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string "
    "parameter or the Authorization header should be specified</Message></Error>"
)


class SignedLocations:
    """Signs and checks locations byte for byte; parameters in another order are refused."""

    def __init__(self, url_seconds: float, clock: Callable[[], float]) -> None:
        self._url_seconds = url_seconds
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._serials = itertools.count(1)
        self._revoked: set[str] = set()
        self._revoked_lock = threading.Lock()

    def sign(self, repo_id: str, path: str, sha256: str, range_header: str | None) -> str:
        """Returns path and query of a new location, bound to the Range header if there was one."""
        location = f"/xet-bridge-local/{repo_id}/{sha256}/{quote(path)}"
        disposition = quote(content_disposition(path), safe="")
        parameters = [
            "X-Xet-Cas-Uid=public",
            f"X-Request-Id={next(self._serials)}",
            f"response-content-disposition={disposition}",
            f"Expires={int(self._clock() + self._url_seconds)}",
        ]
        if range_header is not None:
            parameters.append(f"X-Xet-Signed-Range={quote(range_header, safe='')}")
        query = "&".join(parameters)
        return f"{location}?{query}&Signature={self._signature(location, query)}"

    def check(self, request: Request) -> Mapping[str, list[str]]:
        """Returns the location's parameters.

        Raises:
            HttpError: 403, when it is forged, expired, or bound to another range.
        """
        query, _, signature = request.query.rpartition("&Signature=")
        if not hmac.compare_digest(
            signature.encode(), self._signature(request.path, query).encode()
        ):
            raise HttpError(403, "Auth failed: invalid signature")
        parameters = parse_qs(query)
        with self._revoked_lock:
            revoked = request.query in self._revoked
        if revoked or self._clock() >= int(parameters["Expires"][0]):
            raise HttpError(403, "Auth failed: expired")
        if "X-Xet-Signed-Range" in parameters:
            [signed_range] = parameters["X-Xet-Signed-Range"]
            if request.range_header != signed_range:
                raise HttpError(403, "Auth failed: invalid range")
        return parameters

    def revoke(self, request: Request) -> None:
        """Makes the requested location expired from now on."""
        with self._revoked_lock:
            self._revoked.add(request.query)

    def _signature(self, path: str, query: str) -> str:
        return hmac.new(self._key, f"{path}?{query}".encode(), hashlib.sha256).hexdigest()


class CdnSite:
    """Serves the bytes of large files, at signed locations only."""

    role: Literal["cdn"] = "cdn"

    def __init__(
        self, repositories: Mapping[str, Repository], locations: SignedLocations, faults: FaultPlan
    ) -> None:
        self._repositories = repositories
        self._locations = locations
        self._faults = faults

    def answer(self, request: Request) -> Answer:
        try:
            return self._answer(request)
        except HttpError as error:
            headers = {"Content-Type": "text/plain; charset=utf-8", **error.headers}
            return Answer(error.status, headers, error.message.encode())

    def _answer(self, request: Request) -> Answer:
        fault = self._faults.take(request.line, "status")
        if fault is not None:
            raise HttpError(fault.status, "The local CDN injects this failure")
        if "Authorization" in request.headers:
            raise HttpError(400, _TWO_CREDENTIALS, {"Content-Type": "application/xml"})
        parameters = self._locations.check(request)
        if self._faults.take(request.line, "expire"):
            self._locations.revoke(request)
            raise HttpError(403, "Auth failed: expired")
        file, sha256 = self._file(request)
        headers = {
            # The CDN sends the file's Xet hash: 64 hex digits that are not its SHA-256.
            "ETag": f'"{hashlib.sha256(sha256.encode()).hexdigest()}"',
            "Content-Disposition": parameters["response-content-disposition"][0],
        }
        return file_answer(request, file.location, file.size_bytes, headers, self._faults)

    def _file(self, request: Request) -> tuple[RepositoryFile, str]:
        parts = _LARGE_FILE.fullmatch(request.path)
        if parts is not None and (repository := self._repositories.get(parts["repo_id"])):
            file = repository.large_file(unquote(parts["path"]), parts["sha256"])
            if file is not None:
                return file, parts["sha256"]
        raise HttpError(404, "The file was changed or removed after its location was signed")


def content_disposition(path: str) -> str:
    """Returns the header that names a download, for a name with any characters."""
    name = PurePosixPath(path).name
    ascii_name = name.encode("ascii", "replace").decode().replace('"', "_")
    return f"inline; filename*=UTF-8''{quote(name)}; filename=\"{ascii_name}\";"
