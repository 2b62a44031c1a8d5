"""The answers of the Hub itself: model metadata, trees, access, and locations of files."""

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qs, quote, unquote, urlencode

from huggingface_hub.repocard import metadata_load
from yaml import YAMLError

from model_import_cli.folder_hub.cdn import SignedLocations, content_disposition
from model_import_cli.folder_hub.faults import FaultPlan
from model_import_cli.folder_hub.http import Answer, HttpError, Request, file_answer
from model_import_cli.folder_hub.repositories import (
    COMMIT_TITLE,
    COMMITTED_AT,
    PullRequest,
    Repository,
    RepositoryFile,
    Snapshot,
)

# Entries per page of a listing. `expand` costs the Hub more, so its pages are shorter.
_PAGE_ENTRIES = 1000
_EXPANDED_PAGE_ENTRIES = 50
_DISCUSSIONS_PAGE_ENTRIES = 50
_PULL_REF = "refs/pr/"
_OPEN = ("draft", "open")
# Requests that an anonymous address may send in a window (hub-docs rate-limits.md, 2026-08-22).
_API_QUOTA = 500
_RESOLVERS_QUOTA = 3000
_WINDOW_SECONDS = 300

_ID = r"(?P<repo_id>[^/]+/[^/]+)"
_REVISION = r"(?P<revision>[^/]+)"
_PATH = r"(?P<path>.+)"
_MODEL = rf"/api/models/{_ID}"

type Json = Any


class HubSite:
    """Answers as huggingface.co does, for the given repositories."""

    role: Literal["hub"] = "hub"

    def __init__(
        self,
        repositories: Mapping[str, Repository],
        tokens: Collection[str] | None,
        locations: SignedLocations,
        cdn_url: str,
        faults: FaultPlan,
    ) -> None:
        self._repositories = repositories
        self._tokens = tokens
        self._locations = locations
        self._cdn_url = cdn_url
        self._faults = faults

    def answer(self, request: Request) -> Answer:
        try:
            answer = self._answer(request)
        except HttpError as error:
            answer = _error_answer(request, error)
        return Answer(answer.status, {**_rate_limit(request), **answer.headers}, answer.body)

    def _answer(self, request: Request) -> Answer:
        fault = self._faults.take(request.line, "status")
        if fault is not None:
            exhausted = _rate_limit(request, remaining=0, reset_seconds=fault.reset_seconds)
            raise HttpError(
                fault.status,
                "The local Hub injects this failure",
                exhausted if fault.status == 429 else None,  # noqa: PLR2004 Too Many Requests
            )
        asked_method = "GET" if request.method == "HEAD" else request.method
        for method, pattern, handler in self._ROUTES:
            parts = pattern.fullmatch(request.path)
            if parts is not None and method == asked_method:
                names = {name: unquote(part) for name, part in parts.groupdict("").items()}
                return handler(self, request, **names)
        raise HttpError(404, "Sorry, we can't find the page you are looking for.")

    def _whoami(self, request: Request) -> Answer:
        if self._token(request) is None:
            raise HttpError(401, "Invalid username or password.")
        return _json_answer(
            {
                "type": "user",
                "id": "000000000000000000000000",
                "name": "local-user",
                "fullname": "Local User",
                "orgs": [],
                "auth": {
                    "type": "access_token",
                    "accessToken": {"displayName": "local", "role": "read"},
                },
            }
        )

    def _model_info(self, request: Request, repo_id: str, revision: str = "main") -> Answer:
        repository = self._repository(request, repo_id)
        snapshot = _snapshot(repository, revision)
        info = _model_info(repository, snapshot, blobs=request.flag("blobs"))
        if request.flag("securityStatus"):
            info["securityRepoStatus"] = _security_status(repository, snapshot)
        wanted = request.parameters.get("expand", []) + request.parameters.get("expand[]", [])
        if wanted:
            info = {name: value for name, value in info.items() if name in {"_id", "id", *wanted}}
        return _json_answer(info)

    def _models(self, request: Request) -> Answer:
        author = request.parameters.get("author", [""])[-1]
        wanted = request.parameters.get("expand", []) + request.parameters.get("expand[]", [])
        listed = []
        for repo_id, repository in sorted(self._repositories.items()):
            is_seen = not repository.private or self._token(request) in repository.allowed_tokens
            if author in ("", repo_id.partition("/")[0]) and is_seen:
                info = _model_info(repository, _snapshot(repository, "main"), blobs=False)
                shown = {"_id", "id", "modelId", *wanted} if wanted else info.keys()
                listed.append({name: value for name, value in info.items() if name in shown})
        return _page_answer(request, listed, int(request.parameters.get("limit", [1000])[-1]))

    def _tree(self, request: Request, repo_id: str, revision: str, path: str) -> Answer:
        repository = self._repository(request, repo_id)
        snapshot = _snapshot(repository, revision)
        folder = path.strip("/") or "."
        if folder != "." and folder not in snapshot.folders:
            raise HttpError(
                404, f'{path} does not exist on "{revision}"', {"X-Error-Code": "EntryNotFound"}
            )
        recursive, expand = request.flag("recursive"), request.flag("expand")
        entries = [
            _tree_entry(repository, snapshot, path, expand=expand)
            for path in [*snapshot.folders, *snapshot.files]
            if _is_listed(path, folder, recursive=recursive)
        ]
        page_entries = _EXPANDED_PAGE_ENTRIES if expand else _PAGE_ENTRIES
        return _page_answer(request, entries, page_entries)

    def _paths_info(self, request: Request, repo_id: str, revision: str) -> Answer:
        repository = self._repository(request, repo_id)
        snapshot = _snapshot(repository, revision)
        paths, expand = _asked_paths(request)
        return _json_answer(
            [
                _tree_entry(repository, snapshot, path, expand=expand)
                for path in dict.fromkeys(paths)
                if path in snapshot.files or path in snapshot.folders
            ]
        )

    def _refs(self, request: Request, repo_id: str) -> Answer:
        repository = self._repository(request, repo_id)
        refs: dict[str, list[Json]] = {"branches": [], "converts": [], "tags": []}
        kinds = {"refs/heads/": "branches", "refs/tags/": "tags"}
        if request.flag("include_prs"):
            refs["pullRequests"] = []
            kinds["refs/pr/"] = "pullRequests"
        for ref in repository.heads:
            for prefix, kind in kinds.items():
                if ref.startswith(prefix):
                    name = ref if kind == "pullRequests" else ref.removeprefix(prefix)
                    commit = _snapshot(repository, ref).commit
                    refs[kind].append({"name": name, "ref": ref, "targetCommit": commit})
        return _json_answer(refs)

    def _discussions(self, request: Request, repo_id: str) -> Answer:
        repository = self._repository(request, repo_id)
        discussions = [
            _discussion(repository, ref) for ref in repository.heads if ref.startswith(_PULL_REF)
        ]
        wanted = {name: request.parameters.get(name, ["all"])[-1] for name in ("type", "status")}
        is_open = {"open": (True,), "closed": (False,)}.get(wanted["status"], (True, False))
        chosen = [
            discussion
            for discussion in reversed(discussions)
            if wanted["type"] != "discussion"
            and (discussion["status"] in _OPEN) in is_open
            and request.parameters.get("author", [discussion["author"]["name"]])[-1]
            == discussion["author"]["name"]
        ]
        start = int(request.parameters.get("p", ["0"])[-1]) * _DISCUSSIONS_PAGE_ENTRIES
        page = chosen[start : start + _DISCUSSIONS_PAGE_ENTRIES]
        return _json_answer({"discussions": page, "count": len(chosen), "start": start})

    def _commits(self, request: Request, repo_id: str, revision: str) -> Answer:
        snapshot = _snapshot(self._repository(request, repo_id), revision)
        commit = {**_commit(snapshot), "message": "", "authors": [{"user": "local-user"}]}
        return _json_answer([commit])

    def _auth_check(self, request: Request, repo_id: str) -> Answer:
        self._readable_repository(request, repo_id)
        return _json_answer({})

    def _resolve(self, request: Request, repo_id: str, revision: str, path: str) -> Answer:
        snapshot, file = self._readable_file(request, repo_id, revision, path)
        headers = {"X-Repo-Commit": snapshot.commit, "Accept-Ranges": "bytes"}
        if file.lfs is None:
            cached = f"/api/resolve-cache/models/{repo_id}/{snapshot.commit}/{quote(file.path)}"
            query = f"{quote(request.path, safe='')}=&etag={quote(f'"{file.blob_id}"')}"
            return _redirect(307, f"{cached}?{query}", headers | {"ETag": f'"{file.blob_id}"'})
        linked = {
            "X-Linked-Etag": f'"{file.lfs.sha256}"',
            "X-Linked-Size": str(file.lfs.size_bytes),
        }
        location = self._locations.sign(repo_id, path, file.lfs.sha256, request.range_header)
        return _redirect(302, f"{self._cdn_url}{location}", headers | linked)

    def _resolve_cache(self, request: Request, repo_id: str, revision: str, path: str) -> Answer:
        snapshot, file = self._readable_file(request, repo_id, revision, path)
        headers = {
            "Content-Disposition": content_disposition(path),
            "Content-Type": "text/plain; charset=utf-8",
            "ETag": f'"{file.blob_id}"',
            "X-Repo-Commit": snapshot.commit,
        }
        return file_answer(request, file.location, file.size_bytes, headers, self._faults)

    def _readable_file(
        self, request: Request, repo_id: str, revision: str, path: str
    ) -> tuple[Snapshot, RepositoryFile]:
        snapshot = _snapshot(self._readable_repository(request, repo_id), revision)
        if path not in snapshot.files:
            headers = {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": snapshot.commit}
            raise HttpError(404, "Entry not found", headers)
        return snapshot, snapshot.files[path]

    def _readable_repository(self, request: Request, repo_id: str) -> Repository:
        """Returns the repository if the caller may read its files, not just their names."""
        repository = self._repository(request, repo_id)
        token = self._token(request)
        if repository.gated is False or token in repository.allowed_tokens:
            return repository
        gated = {"X-Error-Code": "GatedRepo"}
        if token is None:
            raise HttpError(
                401,
                f"Access to model {repo_id} is restricted. You must have access to it and be "
                "authenticated to access it. Please log in.",
                gated,
            )
        raise HttpError(
            403,
            f"Access to model {repo_id} is restricted and you are not in the authorized list. "
            f"Visit https://huggingface.co/{repo_id} to ask for access.",
            gated,
        )

    def _repository(self, request: Request, repo_id: str) -> Repository:
        """Returns the repository if the caller may see that it exists."""
        token = self._token(request)
        repository = self._repositories.get(repo_id)
        if repository is not None and (
            not repository.private or token in repository.allowed_tokens
        ):
            if repository.disabled:
                raise HttpError(403, "Access to this resource is disabled.")
            return repository
        missing = {"X-Error-Code": "RepoNotFound"}
        if token is None:
            raise HttpError(401, "Invalid username or password.", missing)
        raise HttpError(404, "Repository not found", missing)

    def _token(self, request: Request) -> str | None:
        authorization = request.headers.get("Authorization")
        if authorization is None:
            return None
        token = authorization.removeprefix("Bearer ")
        if self._tokens is not None and token not in self._tokens:
            raise HttpError(401, "Invalid credentials in Authorization header")
        return token

    _ROUTES: ClassVar[Sequence[tuple[str, re.Pattern[str], Callable[..., Answer]]]] = (
        ("GET", re.compile(r"/api/whoami-v2"), _whoami),
        ("GET", re.compile(r"/api/models"), _models),
        ("GET", re.compile(_MODEL), _model_info),
        ("GET", re.compile(rf"{_MODEL}/revision/{_REVISION}"), _model_info),
        ("GET", re.compile(rf"{_MODEL}/tree/{_REVISION}(?:/{_PATH})?"), _tree),
        ("POST", re.compile(rf"{_MODEL}/paths-info/{_REVISION}"), _paths_info),
        ("GET", re.compile(rf"{_MODEL}/refs"), _refs),
        ("GET", re.compile(rf"{_MODEL}/discussions"), _discussions),
        ("GET", re.compile(rf"{_MODEL}/commits/{_REVISION}"), _commits),
        ("GET", re.compile(rf"{_MODEL}/auth-check"), _auth_check),
        (
            "GET",
            re.compile(rf"/api/resolve-cache/models/{_ID}/{_REVISION}/{_PATH}"),
            _resolve_cache,
        ),
        ("GET", re.compile(rf"/{_ID}/resolve/{_REVISION}/{_PATH}"), _resolve),
    )


def _snapshot(repository: Repository, revision: str) -> Snapshot:
    snapshot = repository.snapshot(revision)
    if snapshot is None:
        headers = {"X-Error-Code": "RevisionNotFound"}
        raise HttpError(404, f"Invalid rev id: {revision}", headers)
    return snapshot


def _model_info(repository: Repository, snapshot: Snapshot, *, blobs: bool) -> dict[str, Json]:
    author, _, _ = repository.repo_id.partition("/")
    return {
        "_id": snapshot.commit[:24],
        "id": repository.repo_id,
        "modelId": repository.repo_id,
        "author": author,
        "sha": snapshot.commit,
        "createdAt": COMMITTED_AT,
        "lastModified": COMMITTED_AT,
        "private": repository.private,
        "gated": repository.gated,
        "disabled": repository.disabled,
        "downloads": 0,
        "likes": 0,
        **_card(snapshot),
        "usedStorage": sum(file.size_bytes for file in snapshot.files.values()),
        "siblings": [_sibling(file, blobs=blobs) for file in snapshot.files.values()],
    }


def _card(snapshot: Snapshot) -> dict[str, Json]:
    """Returns the fields that the Hub takes from the metadata block of README.md, if any."""
    readme = snapshot.files.get("README.md")
    try:
        loaded = metadata_load(readme.location) if readme else None
    except (ValueError, YAMLError):  # The Hub shows a warning and no card.
        loaded = None
    card: dict[str, Json] = json.loads(json.dumps(loaded or {}, default=str))
    licences = card.get("license", [])
    tags = [f"license:{name}" for name in (licences if isinstance(licences, list) else [licences])]
    fields: dict[str, Json] = {
        name: card[name] for name in ("library_name", "pipeline_tag") if name in card
    }
    return {
        "tags": [*card.get("tags", []), *tags],
        **({"cardData": card} if card else {}),
        **fields,
    }


def _security_status(repository: Repository, snapshot: Snapshot) -> Json:
    issues = [
        {"path": path, "level": level}
        for path, level in repository.scan.items()
        if path in snapshot.files
    ]
    return {"scansDone": True, "filesWithIssues": issues}


def _discussion(repository: Repository, ref: str) -> Json:
    pull_request = repository.pull_requests.get(ref, PullRequest())
    return {
        "num": int(ref.removeprefix(_PULL_REF)),
        "title": pull_request.title,
        "author": {"name": pull_request.author},
        "createdAt": COMMITTED_AT,
        "status": pull_request.status,
        "isPullRequest": True,
        "repo": {"name": repository.repo_id, "type": "model"},
    }


def _sibling(file: RepositoryFile, *, blobs: bool) -> Json:
    sibling: dict[str, Json] = {"rfilename": file.path}
    if blobs:
        sibling |= {"size": file.size_bytes, "blobId": file.blob_id}
        if file.lfs is not None:
            sibling["lfs"] = {
                "sha256": file.lfs.sha256,
                "size": file.lfs.size_bytes,
                "pointerSize": len(file.lfs.text),
            }
    return sibling


def _tree_entry(repository: Repository, snapshot: Snapshot, path: str, *, expand: bool) -> Json:
    details: dict[str, Json] = {"lastCommit": _commit(snapshot)} if expand else {}
    file = snapshot.files.get(path)
    if file is None:
        folder = {"type": "directory", "oid": snapshot.folders[path], "size": 0, "path": path}
        return folder | details
    entry = {"type": "file", "oid": file.blob_id, "size": file.size_bytes, "path": path} | details
    if expand:
        entry["securityFileStatus"] = {
            "status": repository.scan.get(path, "safe"),
            "avScan": {"virusFound": False, "virusNames": None},
            "pickleImportScan": None,
        }
    if file.lfs is not None:
        entry["lfs"] = {
            "oid": file.lfs.sha256,
            "size": file.lfs.size_bytes,
            "pointerSize": len(file.lfs.text),
        }
    return entry


def _commit(snapshot: Snapshot) -> dict[str, Json]:
    return {"id": snapshot.commit, "title": COMMIT_TITLE, "date": COMMITTED_AT}


def _is_listed(path: str, folder: str, *, recursive: bool) -> bool:
    parents = [str(parent) for parent in PurePosixPath(path).parents]
    return folder in parents if recursive else folder == parents[0]


def _asked_paths(request: Request) -> tuple[list[str], bool]:
    """Returns `paths` and `expand`; some clients send them as JSON, others as a form."""
    if request.headers.get_content_type() == "application/json":
        asked = json.loads(request.body)
        return asked["paths"], bool(asked.get("expand"))
    form = parse_qs(request.body.decode())
    return form.get("paths", []), form.get("expand", [""])[-1].lower() == "true"


def _page_answer(request: Request, entries: list[Json], page_entries: int) -> Answer:
    start = int(request.parameters.get("cursor", ["0"])[-1])
    stop = start + page_entries
    answer = _json_answer(entries[start:stop])
    if stop >= len(entries):
        return answer
    query = urlencode(request.parameters | {"cursor": [str(stop)]}, doseq=True)
    next_page = f"http://{request.headers['Host']}{request.path}?{query}"
    return Answer(200, {**answer.headers, "Link": f'<{next_page}>; rel="next"'}, answer.body)


def _json_answer(content: Json, status: int = 200) -> Answer:
    body = json.dumps(content, ensure_ascii=False).encode()
    return Answer(status, {"Content-Type": "application/json; charset=utf-8"}, body)


def _redirect(status: int, location: str, headers: Mapping[str, str]) -> Answer:
    text = {"Content-Type": "text/plain; charset=utf-8", "Location": location}
    return Answer(status, {**text, **headers}, f"Redirecting to {location}".encode())


def _error_answer(request: Request, error: HttpError) -> Answer:
    headers = {"X-Error-Message": error.message, **error.headers}
    if request.path.startswith("/api/"):
        answer = _json_answer({"error": error.message}, error.status)
        return Answer(error.status, {**answer.headers, **headers}, answer.body)
    text = {"Content-Type": "text/plain; charset=utf-8"}
    return Answer(error.status, {**text, **headers}, error.message.encode())


def _rate_limit(
    request: Request, *, remaining: int | None = None, reset_seconds: int = _WINDOW_SECONDS
) -> dict[str, str]:
    """Returns the rate limit headers of every answer; the Hub sends no Retry-After."""
    resolver = not request.path.startswith("/api/") or "/resolve-cache/" in request.path
    kind, quota = ("resolvers", _RESOLVERS_QUOTA) if resolver else ("api", _API_QUOTA)
    left = quota - 1 if remaining is None else remaining
    return {
        "RateLimit": f'"{kind}";r={left};t={reset_seconds}',
        "RateLimit-Policy": f'"fixed window";"{kind}";q={quota};w={_WINDOW_SECONDS}',
    }
