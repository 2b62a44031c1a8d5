"""The local Hub, asked by the real client and, where that hides too much, over plain HTTP."""

import errno
import hashlib
import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import huggingface_hub
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from support.waiting import HANG_SECONDS

from model_import_cli.folder_hub.faults import Fault
from model_import_cli.folder_hub.repositories import PullRequest, Repository
from model_import_cli.folder_hub.server import LocalHub

MODEL = "acme/tiny-llama"
WEIGHTS = "model-00001-of-00002.safetensors"
WEIGHT_BYTES = bytes(range(256)) * 40
CONFIG_BYTES = b'{"model_type": "llama"}'
FILES = {
    ".gitattributes": b"*.safetensors filter=lfs\n",
    "README.md": "# 小さなモデル\n".encode(),
    "config.json": CONFIG_BYTES,
    WEIGHTS: WEIGHT_BYTES,
    "model-00002-of-00002.safetensors": b"the second shard",
    "empty.txt": b"",
    "original/params 1+1.json": b"{}",
    "original/consolidated.00.pth": b"not a pickle",
    "説明.txt": "日本語".encode(),
}
RESOLVE_WEIGHTS = f"/{MODEL}/resolve/main/{WEIGHTS}"
RESOLVE_CONFIG = f"/{MODEL}/resolve/main/config.json"


def write_files(directory: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return directory


@pytest.fixture
def model(tmp_path: Path) -> Repository:
    return Repository(MODEL, write_files(tmp_path / "hub" / MODEL, FILES))


@pytest.fixture
def hub(model: Repository) -> Iterator[LocalHub]:
    with LocalHub([model]) as hub:
        yield hub


@pytest.fixture(autouse=True, scope="module")
def _client_ends_its_connections() -> Iterator[None]:
    yield
    huggingface_hub.close_session()


def api(hub: LocalHub, token: str | None = None) -> HfApi:
    return HfApi(endpoint=hub.endpoint, token=token or False)


@dataclass(frozen=True)
class Response:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def location(self) -> str:
        return self.headers["Location"]

    @property
    def error(self) -> tuple[int, str | None, str | None]:
        return self.status, self.headers["X-Error-Code"], self.headers["X-Error-Message"]


@contextmanager
def connection_to(url: str) -> Iterator[http.client.HTTPConnection]:
    host = urlsplit(url).netloc
    with closing(http.client.HTTPConnection(host, timeout=HANG_SECONDS)) as connection:
        yield connection


def ask(
    url: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Response:
    """Sends the path and query of the URL as they are, and follows no redirect."""
    with connection_to(url) as connection:
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.request(method, target, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        return Response(response.status, response.headers, response.read())


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def weights_location(hub: LocalHub, headers: Mapping[str, str] | None = None) -> str:
    return ask(hub.endpoint + RESOLVE_WEIGHTS, "HEAD", headers).location


def test_the_client_downloads_a_snapshot_byte_for_byte(hub: LocalHub, tmp_path: Path) -> None:
    folder = huggingface_hub.snapshot_download(
        MODEL, endpoint=hub.endpoint, cache_dir=tmp_path / "cache", token=False
    )

    downloaded = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file()
    }
    assert downloaded == FILES


def test_the_client_never_sends_its_token_to_the_cdn(model: Repository, tmp_path: Path) -> None:
    with LocalHub([model], tokens={"hf_user"}) as hub:
        huggingface_hub.hf_hub_download(
            MODEL, WEIGHTS, endpoint=hub.endpoint, cache_dir=tmp_path / "cache", token="hf_user"
        )
        asked = hub.requests

    assert {request.role for request in asked if request.with_authorization} == {"hub"}
    assert [request.body_bytes for request in asked if request.role == "cdn"] == [len(WEIGHT_BYTES)]


def test_the_client_reads_a_safetensors_header_by_ranges(tmp_path: Path) -> None:
    header = json.dumps({"w": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    content = len(header).to_bytes(8, "little") + header + bytes(4)
    directory = write_files(tmp_path / MODEL, {"model.safetensors": content})

    with LocalHub([Repository(MODEL, directory)]) as hub:
        metadata = api(hub).parse_safetensors_file_metadata(MODEL, "model.safetensors")

    assert metadata.parameter_count == {"BF16": 2}


def test_model_info_lists_only_names_unless_blobs_are_asked_for(hub: LocalHub) -> None:
    info = api(hub).model_info(MODEL)

    assert info.siblings is not None
    assert {sibling.rfilename for sibling in info.siblings} == FILES.keys()
    assert all(sibling.size is None and sibling.lfs is None for sibling in info.siblings)
    assert (info.id, info.author, info.private, info.gated) == (MODEL, "acme", False, False)


def test_model_info_with_blobs_tells_sizes_git_ids_and_lfs_sha256(hub: LocalHub) -> None:
    info = api(hub).model_info(MODEL, files_metadata=True, securityStatus=True)

    siblings = {sibling.rfilename: sibling for sibling in info.siblings or ()}
    weights = siblings[WEIGHTS]
    assert weights.size == len(WEIGHT_BYTES)
    assert weights.lfs is not None
    assert weights.lfs.sha256 == hashlib.sha256(WEIGHT_BYTES).hexdigest()
    assert weights.lfs.size == len(WEIGHT_BYTES)
    assert weights.lfs.pointer_size == 130
    assert siblings["config.json"].lfs is None
    assert siblings["empty.txt"].blob_id == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert info.security_repo_status == {"scansDone": True, "filesWithIssues": []}


def test_model_info_has_the_card_that_is_at_the_head_of_the_readme(tmp_path: Path) -> None:
    head = b"license: llama3\ntags: [chat]\npipeline_tag: text-generation\ndate: 2024-04-18\n"
    directory = write_files(tmp_path / MODEL, {"README.md": b"---\n" + head + b"---\n# Model\n"})

    with LocalHub([Repository(MODEL, directory)]) as hub:
        info = api(hub).model_info(MODEL)

    assert info.card_data is not None
    assert info.card_data.license == "llama3"
    assert info.tags == ["chat", "license:llama3"]
    assert info.pipeline_tag == "text-generation"
    assert info.library_name is None


@pytest.mark.parametrize("head", [b"# no head\n", b"---\n- a list\n---\n", b"---\na: {\n---\n"])
def test_a_readme_without_a_sound_head_gives_no_card(tmp_path: Path, head: bytes) -> None:
    directory = write_files(tmp_path / MODEL, {"README.md": head})

    with LocalHub([Repository(MODEL, directory)]) as hub:
        info = api(hub).model_info(MODEL)

    assert (info.card_data, info.tags) == (None, [])


def test_a_scanned_file_is_told_of_in_model_info_and_in_the_tree(model: Repository) -> None:
    unsafe = "original/consolidated.00.pth"

    with LocalHub([replace(model, scan={unsafe: "unsafe", "gone.bin": "unsafe"})]) as hub:
        info = api(hub).model_info(MODEL, securityStatus=True)
        [entry] = api(hub).get_paths_info(MODEL, unsafe, expand=True)

    assert info.security_repo_status == {
        "scansDone": True,
        "filesWithIssues": [{"path": unsafe, "level": "unsafe"}],
    }
    assert isinstance(entry, huggingface_hub.hf_api.RepoFile)
    assert entry.security is not None
    assert (entry.security.safe, entry.security.status) == (False, "unsafe")


def test_a_disabled_repository_answers_403_to_everything(model: Repository) -> None:
    with LocalHub([replace(model, disabled=True)]) as hub:
        with pytest.raises(DisabledRepoError):
            api(hub).model_info(MODEL)
        response = ask(hub.endpoint + RESOLVE_CONFIG, "HEAD")

    assert response.error == (403, None, "Access to this resource is disabled.")


def test_pull_requests_are_listed_newest_first_by_state_and_author(model: Repository) -> None:
    refs = {f"refs/pr/{number}": model.directory for number in (1, 2, 3)}
    said = {
        "refs/pr/1": PullRequest("Fix a typo", "somebody"),
        "refs/pr/3": PullRequest(status="merged"),
    }

    with LocalHub([replace(model, refs=refs, pull_requests=said)]) as hub:
        listing = api(hub).get_repo_discussions
        listed = [
            [pull.num for pull in pulls]
            for pulls in (
                listing(MODEL),
                listing(MODEL, discussion_status="open"),
                listing(MODEL, discussion_status="closed"),
                listing(MODEL, discussion_type="discussion"),
                listing(MODEL, author="SFconvertbot"),
            )
        ]
        [proposal] = api(hub).get_repo_discussions(MODEL, author="somebody")

    assert listed == [[3, 2, 1], [2, 1], [3], [], [3, 2]]
    assert (proposal.title, proposal.is_pull_request) == ("Fix a typo", True)
    assert proposal.git_reference == "refs/pr/1"


def test_many_pull_requests_come_in_pages(model: Repository) -> None:
    refs = {f"refs/pr/{number}": model.directory for number in range(1, 121)}

    with LocalHub([replace(model, refs=refs)]) as hub:
        listed = list(api(hub).get_repo_discussions(MODEL, discussion_type="pull_request"))

        assert len(listed) == 120
        assert len(hub.requests) == 3


def test_model_info_with_expand_returns_only_what_was_asked_for(hub: LocalHub) -> None:
    info = api(hub).model_info(MODEL, expand=["gated", "sha"])

    assert info.gated is False
    assert info.sha is not None
    assert info.siblings is None


def test_ids_are_those_that_git_computes(tmp_path: Path) -> None:
    files = {"README.md": b"hello\n", "sub.txt": b"x", "sub-a.txt": b"y"}
    write_files(tmp_path, {**files, "sub/model.safetensors": b"weights"})

    snapshot = Repository(MODEL, tmp_path).snapshot("main")

    assert snapshot is not None
    assert snapshot.commit == "08806c8a7ec78f87f11a0749cfae6055634455b8"
    assert snapshot.folders == {"sub": "715f3c7fc6c9dcd1eefefe677bcf32390ba9cf7d"}
    assert {file.path: file.blob_id for file in snapshot.files.values()} == {
        "README.md": "ce013625030ba8dba906f756967f9e9ca394464a",
        "sub-a.txt": "e25f1814e51579d5f55c0f1fe0135ddb28a47f4a",
        "sub.txt": "c1b0730e0133447badcfd47fd144e254807b06e1",
        "sub/model.safetensors": "c6a67be4f3ef29ed4a07b4f2446625126a25cfda",
    }


def test_a_file_of_10_mib_is_in_lfs_whatever_its_name(tmp_path: Path) -> None:
    for name, size_bytes in {"tokenizer.json": 10 * 1024**2, "vocab.json": 10}.items():
        with (tmp_path / name).open("wb") as file:
            file.truncate(size_bytes)

    snapshot = Repository(MODEL, tmp_path).snapshot("main")

    assert snapshot is not None
    assert snapshot.files["tokenizer.json"].lfs is not None
    assert snapshot.files["vocab.json"].lfs is None


def test_a_changed_file_is_a_new_commit(hub: LocalHub, model: Repository) -> None:
    before = api(hub).model_info(MODEL).sha
    assert api(hub).model_info(MODEL).sha == before

    (model.directory / "config.json").write_bytes(b"{}")

    assert api(hub).model_info(MODEL).sha != before
    with pytest.raises(RevisionNotFoundError):
        api(hub).model_info(MODEL, revision=before)


def test_the_tree_lists_a_folder_or_everything_below_it(hub: LocalHub) -> None:
    folders = {"original"}
    top = {name for name in FILES if "/" not in name}
    below = {name for name in FILES if name.startswith("original/")}

    def paths(folder: str | None = None, *, recursive: bool = False) -> set[str]:
        entries = api(hub).list_repo_tree(MODEL, folder, recursive=recursive)
        return {entry.path for entry in entries}

    assert paths() == top | folders
    assert paths(recursive=True) == FILES.keys() | folders
    assert paths("original") == below
    with pytest.raises(RemoteEntryNotFoundError):
        paths("missing")


def test_the_tree_carries_lfs_metadata_and_on_demand_the_last_commit(hub: LocalHub) -> None:
    entries = {
        entry.path: entry
        for entry in api(hub).list_repo_tree(MODEL, recursive=True, expand=True)
        if isinstance(entry, huggingface_hub.hf_api.RepoFile)
    }

    weights = entries[WEIGHTS]
    assert weights.lfs is not None
    assert weights.lfs.sha256 == hashlib.sha256(WEIGHT_BYTES).hexdigest()
    assert weights.xet_hash is None
    assert weights.last_commit is not None
    assert weights.last_commit.oid == api(hub).model_info(MODEL).sha
    assert weights.security is not None
    assert weights.security.safe


def test_a_long_tree_comes_in_pages(tmp_path: Path) -> None:
    names = {f"part-{number:03}.txt" for number in range(120)}
    directory = write_files(tmp_path / MODEL, dict.fromkeys(names, b""))

    with LocalHub([Repository(MODEL, directory)]) as hub:
        listed = [entry.path for entry in api(hub).list_repo_tree(MODEL, expand=True)]
        pages = len(hub.requests)

    assert listed == sorted(names)
    assert pages == 3


def test_paths_info_knows_files_and_folders_and_leaves_out_what_is_missing(hub: LocalHub) -> None:
    asked = ["config.json", "original", "missing.json"]

    assert [info.path for info in api(hub).get_paths_info(MODEL, asked)] == asked[:2]


def test_paths_info_takes_json_too(hub: LocalHub) -> None:
    response = ask(
        f"{hub.endpoint}/api/models/{MODEL}/paths-info/main",
        "POST",
        {"Content-Type": "application/json"},
        json.dumps({"paths": [WEIGHTS], "expand": True}).encode(),
    )

    [entry] = json.loads(response.body)
    assert entry["lfs"]["oid"] == hashlib.sha256(WEIGHT_BYTES).hexdigest()
    assert "lastCommit" in entry


def test_branches_tags_and_pull_requests_are_revisions(model: Repository, tmp_path: Path) -> None:
    other = write_files(tmp_path / "other", {"config.json": b"other"})
    refs = {"refs/tags/v1.0": model.directory, "refs/heads/dev": other, "refs/pr/1": other}

    with LocalHub([replace(model, refs=refs)]) as hub:
        known = api(hub).list_repo_refs(MODEL, include_pull_requests=True)
        commits = {
            revision: api(hub).model_info(MODEL, revision=revision).sha
            for revision in ("main", "v1.0", "dev", "refs/pr/1")
        }
        main, dev = commits["main"], commits["dev"]
        assert main is not None
        for revision in (main, main[:8], "refs/heads/main"):
            assert api(hub).model_info(MODEL, revision=revision).sha == main
        resolved = ask(f"{hub.endpoint}/{MODEL}/resolve/refs%2Fpr%2F1/config.json", "HEAD")
        by_default = json.loads(ask(f"{hub.endpoint}/api/models/{MODEL}/refs").body)

    assert [(ref.name, ref.target_commit) for ref in known.branches] == [
        ("main", main),
        ("dev", dev),
    ]
    assert [(ref.name, ref.target_commit) for ref in known.tags] == [("v1.0", main)]
    assert by_default.keys() == {"branches", "converts", "tags"}
    assert known.pull_requests is not None
    assert [(ref.ref, ref.target_commit) for ref in known.pull_requests] == [("refs/pr/1", dev)]
    assert commits == {"main": main, "v1.0": main, "dev": dev, "refs/pr/1": dev}
    assert main != dev
    assert resolved.headers["X-Repo-Commit"] == dev


def test_a_revision_has_one_commit(hub: LocalHub) -> None:
    [commit] = api(hub).list_repo_commits(MODEL)

    assert commit.commit_id == api(hub).model_info(MODEL).sha


@pytest.mark.parametrize("revision", ["nope", "refs/pr/9", "0" * 40, "開発"])
def test_an_unknown_revision_answers_404_revision_not_found(hub: LocalHub, revision: str) -> None:
    with pytest.raises(RevisionNotFoundError, match="Invalid rev id"):
        api(hub).model_info(MODEL, revision=revision)
    response = ask(f"{hub.endpoint}/{MODEL}/resolve/nope/config.json", "HEAD")

    assert response.error == (404, "RevisionNotFound", "Invalid rev id: nope")


def test_a_missing_file_answers_404_entry_not_found_with_the_commit(hub: LocalHub) -> None:
    response = ask(f"{hub.endpoint}/{MODEL}/resolve/main/missing.json")

    assert response.error == (404, "EntryNotFound", "Entry not found")
    assert response.headers["X-Repo-Commit"] == api(hub).model_info(MODEL).sha


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_large_file_redirects_to_the_cdn_with_its_metadata_on_the_redirect(
    hub: LocalHub, method: str
) -> None:
    response = ask(hub.endpoint + RESOLVE_WEIGHTS, method)

    assert response.status == 302
    assert response.location.startswith(f"{hub.cdn_endpoint}/")
    assert hub.cdn_endpoint != hub.endpoint
    assert response.headers["X-Repo-Commit"] == api(hub).model_info(MODEL).sha
    assert response.headers["X-Linked-Size"] == str(len(WEIGHT_BYTES))
    assert response.headers["X-Linked-Etag"] == f'"{hashlib.sha256(WEIGHT_BYTES).hexdigest()}"'
    assert response.headers["Accept-Ranges"] == "bytes"
    assert "X-Xet-Hash" not in response.headers


def test_a_small_file_redirects_to_the_resolve_cache_of_the_same_host(hub: LocalHub) -> None:
    commit = api(hub).model_info(MODEL).sha
    redirect = ask(hub.endpoint + RESOLVE_CONFIG)
    response = ask(hub.endpoint + redirect.location)

    assert redirect.status == 307
    assert redirect.location.startswith(f"/api/resolve-cache/models/{MODEL}/{commit}/config.json?")
    assert response.body == CONFIG_BYTES
    assert response.headers["X-Repo-Commit"] == commit
    blob_id = hashlib.sha1(b"blob 23\0" + CONFIG_BYTES, usedforsecurity=False).hexdigest()
    assert response.headers["ETag"] == redirect.headers["ETag"] == f'"{blob_id}"'


def test_a_small_file_is_served_by_range_too(hub: LocalHub) -> None:
    cached = ask(hub.endpoint + RESOLVE_CONFIG).location

    response = ask(hub.endpoint + cached, headers={"Range": "bytes=2-11"})

    assert (response.status, response.body) == (206, b"model_type")


def test_the_cdn_tells_size_and_type_but_not_the_sha256(hub: LocalHub) -> None:
    response = ask(weights_location(hub), "HEAD")

    assert (response.status, response.body) == (200, b"")
    assert response.headers["Content-Length"] == str(len(WEIGHT_BYTES))
    assert response.headers["ETag"] != f'"{hashlib.sha256(WEIGHT_BYTES).hexdigest()}"'
    assert WEIGHTS in response.headers["Content-Disposition"]


@pytest.mark.parametrize(
    ("range_header", "expected", "content_range"),
    [
        ("bytes=0-9", WEIGHT_BYTES[:10], "bytes 0-9/10240"),
        ("bytes=100-", WEIGHT_BYTES[100:], "bytes 100-10239/10240"),
        ("bytes=-5", WEIGHT_BYTES[-5:], "bytes 10235-10239/10240"),
        ("bytes=10000-99999", WEIGHT_BYTES[10000:], "bytes 10000-10239/10240"),
        ("bytes=-99999", WEIGHT_BYTES, "bytes 0-10239/10240"),
    ],
)
def test_one_location_serves_any_range(
    hub: LocalHub, range_header: str, expected: bytes, content_range: str
) -> None:
    response = ask(weights_location(hub), headers={"Range": range_header})

    assert (response.status, response.body) == (206, expected)
    assert response.headers["Content-Range"] == content_range


@pytest.mark.parametrize("range_header", ["bytes=10240-", "bytes=99999-100000", "bytes=-0"])
def test_a_range_outside_the_file_answers_416(hub: LocalHub, range_header: str) -> None:
    response = ask(weights_location(hub), headers={"Range": range_header})

    assert (response.status, response.body) == (416, b"")
    assert response.headers["Content-Range"] == "bytes */10240"


@pytest.mark.parametrize("range_header", ["bytes=0-1,4-5", "bytes=9-1", "bytes=-", "lines=0-1"])
def test_an_unclear_range_is_ignored(hub: LocalHub, range_header: str) -> None:
    response = ask(weights_location(hub), headers={"Range": range_header})

    assert (response.status, response.body) == (200, WEIGHT_BYTES)


def test_a_location_asked_for_with_a_range_serves_that_range_only(hub: LocalHub) -> None:
    location = weights_location(hub, {"Range": "bytes=0-99"})

    assert ask(location, headers={"Range": "bytes=0-99"}).body == WEIGHT_BYTES[:100]
    for headers in ({"Range": "bytes=0-100"}, {}):
        response = ask(location, headers=headers)
        assert (response.status, response.body) == (403, b"Auth failed: invalid range")


def test_a_location_expires(model: Repository) -> None:
    now = [1_000_000.0]
    with LocalHub([model], url_seconds=60, clock=lambda: now[0]) as hub:
        location = weights_location(hub)
        now[0] += 59
        assert ask(location).status == 200
        now[0] += 1
        expired = ask(location)
        renewed = ask(weights_location(hub))

    assert (expired.status, expired.body) == (403, b"Auth failed: expired")
    assert renewed.body == WEIGHT_BYTES


def test_a_location_whose_query_was_touched_is_refused(hub: LocalHub) -> None:
    path, _, query = weights_location(hub).partition("?")
    first, second, *others = query.split("&")
    signature = others.pop()

    for touched in (
        "&".join([second, first, *others, signature]),
        "&".join([first, second, signature, *others]),
        query.replace("Expires=1", "Expires=9"),
        query.replace("%20", "+"),
        f"{query}&download=true",
        "",
    ):
        response = ask(f"{path}?{touched}")
        assert (response.status, response.body) == (403, b"Auth failed: invalid signature")


def test_a_location_is_for_one_file(hub: LocalHub) -> None:
    other = weights_location(hub).replace("model-00001", "model-00002", 1)

    assert ask(other).body == b"Auth failed: invalid signature"


def test_a_location_of_a_file_that_has_changed_since_answers_404(
    hub: LocalHub, model: Repository
) -> None:
    location = weights_location(hub)
    (model.directory / WEIGHTS).write_bytes(b"others")

    assert ask(location).status == 404


def test_an_authorization_header_at_the_cdn_is_refused_and_logged(hub: LocalHub) -> None:
    response = ask(weights_location(hub), headers=bearer("hf_user"))

    assert response.status == 400
    assert b"Only one auth mechanism allowed" in response.body
    assert [request.with_authorization for request in hub.requests] == [False, True]


@pytest.fixture
def gated_hub(model: Repository) -> Iterator[LocalHub]:
    gated = replace(model, gated="manual", allowed_tokens=frozenset({"hf_approved"}))
    with LocalHub([gated], tokens={"hf_user"}) as hub:
        yield hub


def test_a_gated_repository_without_a_token_answers_401_gated_repo(gated_hub: LocalHub) -> None:
    message = (
        f"Access to model {MODEL} is restricted. You must have access to it and be "
        "authenticated to access it. Please log in."
    )
    for path in (RESOLVE_WEIGHTS, RESOLVE_CONFIG, f"/api/models/{MODEL}/auth-check"):
        assert ask(gated_hub.endpoint + path).error == (401, "GatedRepo", message)
    with pytest.raises(GatedRepoError):
        api(gated_hub).auth_check(MODEL)


def test_a_gated_repository_with_an_unapproved_token_answers_403_gated_repo(
    gated_hub: LocalHub,
) -> None:
    status, code, message = ask(
        gated_hub.endpoint + RESOLVE_CONFIG, "HEAD", bearer("hf_user")
    ).error

    assert (status, code) == (403, "GatedRepo")
    assert message is not None
    assert "you are not in the authorized list" in message
    with pytest.raises(GatedRepoError):
        api(gated_hub, "hf_user").auth_check(MODEL)


def test_an_approved_token_reads_a_gated_repository(gated_hub: LocalHub, tmp_path: Path) -> None:
    api(gated_hub, "hf_approved").auth_check(MODEL)
    path = huggingface_hub.hf_hub_download(
        MODEL, WEIGHTS, endpoint=gated_hub.endpoint, cache_dir=tmp_path, token="hf_approved"
    )

    assert Path(path).read_bytes() == WEIGHT_BYTES


def test_the_listing_of_a_gated_repository_is_public(gated_hub: LocalHub) -> None:
    info = api(gated_hub).model_info(MODEL, files_metadata=True)

    assert info.gated == "manual"
    assert info.siblings is not None
    assert list(api(gated_hub).list_repo_tree(MODEL))


def test_the_resolve_cache_is_gated_too(gated_hub: LocalHub) -> None:
    cached = ask(gated_hub.endpoint + RESOLVE_CONFIG, headers=bearer("hf_approved")).location

    assert ask(gated_hub.endpoint + cached).status == 401


def test_a_missing_and_a_private_repository_look_the_same(model: Repository) -> None:
    private = replace(model, private=True, allowed_tokens=frozenset({"hf_member"}))
    paths = [
        f"{prefix}{repo_id}{suffix}"
        for repo_id in (MODEL, "acme/missing")
        for prefix, suffix in (("/api/models/", ""), ("/", "/resolve/main/config.json"))
    ]
    with LocalHub([private], tokens={"hf_user"}) as hub:
        for path in paths:
            anonymous = ask(hub.endpoint + path)
            stranger = ask(hub.endpoint + path, headers=bearer("hf_user"))
            assert anonymous.error == (401, "RepoNotFound", "Invalid username or password.")
            assert stranger.error == (404, "RepoNotFound", "Repository not found")
        with pytest.raises(RepositoryNotFoundError):
            api(hub).model_info("acme/missing")
        assert api(hub, "hf_member").model_info(MODEL).private is True


def test_an_unknown_token_is_refused_even_for_a_public_repository(model: Repository) -> None:
    with LocalHub([model], tokens={"hf_user"}) as hub:
        response = ask(f"{hub.endpoint}/api/models/{MODEL}", headers=bearer("hf_wrong"))
        with pytest.raises(HfHubHTTPError) as refused:
            api(hub, "hf_wrong").model_info(MODEL)

    assert response.error == (401, None, "Invalid credentials in Authorization header")
    assert not isinstance(refused.value, RepositoryNotFoundError)


def test_a_list_has_the_models_of_an_author_that_the_asker_may_see(tmp_path: Path) -> None:
    names = ["acme/a", "acme/b", "acme/private", "other/c"]
    for name in names:
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.json").write_text(name)
    settings = {"private": True, "allowed_tokens": ["hf_reads"]}
    (tmp_path / "acme" / "private" / ".hub.json").write_text(json.dumps(settings))
    with LocalHub.from_directory(tmp_path) as hub:
        listed = {info.id: info.sha for info in api(hub).list_models(author="acme", expand=["sha"])}
        everything = list(api(hub, "hf_reads").list_models(author="acme"))
        heads = {name: api(hub).model_info(name).sha for name in ("acme/a", "acme/b")}
        (first,) = json.loads(ask(f"{hub.endpoint}/api/models?author=acme&limit=1").body)

    assert listed == heads
    assert [info.id for info in everything] == names[:3]
    assert first["id"] == "acme/a"


def test_whoami_needs_a_token(hub: LocalHub) -> None:
    assert ask(f"{hub.endpoint}/api/whoami-v2").status == 401
    assert api(hub).whoami(token="hf_any")["type"] == "user"


@pytest.mark.parametrize(
    "path", ["/", "/api/datasets", "/datasets/a/b/resolve/main/x", "/api/x?y=1"]
)
def test_an_unknown_page_answers_404(hub: LocalHub, path: str) -> None:
    assert ask(hub.endpoint + path).status == 404


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "original/../../secret.txt",
        "..%2Fsecret.txt",
        "%2e%2e/secret.txt",
        "link.txt",
        "linked/secret.txt",
        ".hub.json",
        ".git/config",
        "config.json%00",
        "/config.json",
    ],
)
def test_nothing_outside_the_repository_is_served(model: Repository, path: str) -> None:
    directory = model.directory
    secret = write_files(directory.parent, {"secret.txt": b"secret"}) / "secret.txt"
    write_files(directory, {".hub.json": b"{}", ".git/config": b"", ".cache/x": b""})
    (directory / "link.txt").symlink_to(secret)
    (directory / "linked").symlink_to(directory.parent)

    with LocalHub([model]) as hub:
        response = ask(f"{hub.endpoint}/{MODEL}/resolve/main/{path}")
        info = api(hub).model_info(MODEL)

    assert response.status == 404
    assert {sibling.rfilename for sibling in info.siblings or ()} == FILES.keys()


def test_a_link_within_the_repository_is_served(hub: LocalHub, model: Repository) -> None:
    (model.directory / "alias.json").symlink_to(model.directory / "config.json")

    redirect = ask(f"{hub.endpoint}/{MODEL}/resolve/main/alias.json")

    assert ask(hub.endpoint + redirect.location).body == CONFIG_BYTES


def test_a_directory_serves_each_repository_below_it_with_its_settings(tmp_path: Path) -> None:
    settings = {"gated": "auto", "allowed_tokens": ["hf_a"], "refs": {"refs/tags/v1": "."}}
    write_files(tmp_path / "acme/open", {"config.json": b"{}"})
    write_files(tmp_path / "acme/gated", {".hub.json": json.dumps(settings).encode(), "a": b""})

    with LocalHub.from_directory(tmp_path) as hub:
        assert api(hub).model_info("acme/open").gated is False
        assert api(hub).model_info("acme/gated", revision="v1").gated == "auto"
        api(hub, "hf_a").auth_check("acme/gated")


def test_a_setting_that_does_not_exist_is_named(tmp_path: Path) -> None:
    write_files(tmp_path / MODEL, {".hub.json": b'{"gate": "auto"}'})

    with pytest.raises(ValueError, match="unknown settings gate"):
        LocalHub.from_directory(tmp_path)


def test_the_log_tells_what_was_asked_of_whom(hub: LocalHub) -> None:
    ask(weights_location(hub), headers={"Range": "bytes=0-9"})

    resolve, read = hub.requests
    assert (resolve.role, resolve.method, resolve.path) == ("hub", "HEAD", RESOLVE_WEIGHTS)
    assert (resolve.status, resolve.range_header, resolve.body_bytes) == (302, None, 0)
    assert (read.role, read.method, read.status) == ("cdn", "GET", 206)
    assert (read.range_header, read.body_bytes) == ("bytes=0-9", 10)
    assert read.path.endswith(WEIGHTS)
    hub.clear_requests()
    assert hub.requests == ()


def test_one_connection_carries_many_requests(hub: LocalHub) -> None:
    with connection_to(hub.endpoint) as connection:
        for method in ("GET", "HEAD", "GET"):
            connection.request(method, RESOLVE_CONFIG)
            response = connection.getresponse()
            response.read()
            assert (response.status, response.will_close) == (307, False)


@pytest.mark.parametrize("status", [500, 502, 403])
@pytest.mark.parametrize("url", ["hub", "cdn"])
def test_a_status_fault_strikes_as_often_as_it_says(hub: LocalHub, url: str, status: int) -> None:
    target = hub.endpoint + RESOLVE_CONFIG if url == "hub" else weights_location(hub)
    fault = Fault("status", status=status, times=2, skip=1, match="^GET /")
    hub.faults.add(fault)

    answered = [ask(target).status for _ in range(4)]

    assert answered[1:3] == [status, status]
    assert answered[0] == answered[3]
    assert hub.faults.struck == (fault, fault)


def test_a_fault_strikes_only_what_it_matches(hub: LocalHub) -> None:
    hub.faults.add(Fault("status", match=r"^HEAD .*/config\.json$", times=None))

    assert ask(hub.endpoint + RESOLVE_CONFIG).status == 307
    assert ask(hub.endpoint + RESOLVE_WEIGHTS, "HEAD").status == 302
    assert ask(hub.endpoint + RESOLVE_CONFIG, "HEAD").status == 500
    hub.faults.clear()
    assert ask(hub.endpoint + RESOLVE_CONFIG, "HEAD").status == 307


@pytest.mark.parametrize(
    ("path", "kind", "quota"),
    [(RESOLVE_CONFIG, "resolvers", 3000), (f"/api/models/{MODEL}", "api", 500)],
)
def test_429_carries_the_rate_limit_and_no_retry_after(
    hub: LocalHub, path: str, kind: str, quota: int
) -> None:
    hub.faults.add(Fault("status", status=429, reset_seconds=7))

    response = ask(hub.endpoint + path)

    assert response.status == 429
    assert response.headers["RateLimit"] == f'"{kind}";r=0;t=7'
    assert response.headers["RateLimit-Policy"] == f'"fixed window";"{kind}";q={quota};w=300'
    assert "Retry-After" not in response.headers


def test_a_dropped_request_gets_no_answer(hub: LocalHub) -> None:
    hub.faults.add(Fault("drop"))

    with pytest.raises(http.client.RemoteDisconnected):
        ask(hub.endpoint + RESOLVE_CONFIG)
    assert [request.status for request in hub.requests] == [0]


def read_until_it_breaks(url: str) -> tuple[bytes, int, Exception | None]:
    """Returns what came of the body, the length that was promised, and what ended it."""
    with connection_to(url) as connection:
        parts = urlsplit(url)
        connection.request("GET", f"{parts.path}?{parts.query}")
        response = connection.getresponse()
        promised = int(response.headers["Content-Length"])
        came = b""
        try:
            while chunk := response.read1(64):
                came += chunk
        except OSError as error:
            return came, promised, error
        return came, promised, None


def test_a_reset_comes_in_the_middle_of_a_body(hub: LocalHub) -> None:
    location = weights_location(hub)
    hub.faults.add(Fault("reset", after_bytes=1000))

    came, promised, error = read_until_it_breaks(location)

    assert isinstance(error, ConnectionResetError)
    assert error.errno == errno.ECONNRESET
    assert WEIGHT_BYTES[:1000].startswith(came)
    assert promised == len(WEIGHT_BYTES)
    assert ask(location).body == WEIGHT_BYTES


def test_a_truncated_body_promises_its_full_length(hub: LocalHub) -> None:
    location = weights_location(hub)
    hub.faults.add(Fault("truncate", after_bytes=1000))

    came, promised, error = read_until_it_breaks(location)

    assert (came, promised, error) == (WEIGHT_BYTES[:1000], len(WEIGHT_BYTES), None)
    assert ask(location).body == WEIGHT_BYTES


def test_a_body_too_short_for_a_fault_does_not_use_it_up(hub: LocalHub) -> None:
    location = weights_location(hub)
    hub.faults.add(Fault("truncate", after_bytes=1000))

    assert ask(location, headers={"Range": "bytes=0-999"}).body == WEIGHT_BYTES[:1000]
    assert ask(location, "HEAD").status == 200
    with pytest.raises(http.client.IncompleteRead):
        ask(location)


def test_a_flipped_byte_leaves_everything_else_as_it_was(hub: LocalHub) -> None:
    hub.faults.add(Fault("flip_byte", match=WEIGHTS, offset=5000, times=None))
    location = weights_location(hub)
    expected = bytearray(WEIGHT_BYTES)
    expected[5000] ^= 0xFF

    assert ask(location).body == expected
    assert ask(location, headers={"Range": "bytes=4990-5010"}).body == expected[4990:5011]
    assert ask(location, headers={"Range": "bytes=5001-5010"}).body == expected[5001:5011]
    linked = ask(hub.endpoint + RESOLVE_WEIGHTS, "HEAD").headers["X-Linked-Etag"]
    assert linked == f'"{hashlib.sha256(WEIGHT_BYTES).hexdigest()}"'
    assert len(hub.faults.struck) == 2


def test_a_stalled_body_goes_on_when_it_is_released(hub: LocalHub) -> None:
    location = weights_location(hub)
    hub.faults.add(Fault("stall", after_bytes=1000))

    with connection_to(location) as connection:
        parts = urlsplit(location)
        connection.request("GET", f"{parts.path}?{parts.query}")
        response = connection.getresponse()
        assert hub.faults.wait_until_stalled()
        assert response.read(1000) == WEIGHT_BYTES[:1000]
        connection.sock.settimeout(0.01)
        with pytest.raises(TimeoutError):
            connection.sock.recv(1)
        connection.sock.settimeout(HANG_SECONDS)
        hub.faults.release()
        rest = connection.sock.recv(len(WEIGHT_BYTES) - 1000, socket.MSG_WAITALL)

    assert rest == WEIGHT_BYTES[1000:]


def test_an_expired_location_stays_expired_until_a_new_one_is_asked_for(hub: LocalHub) -> None:
    location = weights_location(hub)
    hub.faults.add(Fault("expire", match=WEIGHTS, skip=2))

    answered = [ask(location).status for _ in range(4)]

    assert answered == [200, 200, 403, 403]
    assert ask(weights_location(hub)).status == 200


def test_an_ignored_range_gets_the_whole_file(hub: LocalHub) -> None:
    location = weights_location(hub)
    hub.faults.add(Fault("ignore_range"))

    assert ask(location).status == 200
    response = ask(location, headers={"Range": "bytes=0-9"})
    assert (response.status, response.body) == (200, WEIGHT_BYTES)
    assert ask(location, headers={"Range": "bytes=0-9"}).status == 206


def test_a_wrong_content_range_is_off_by_one(hub: LocalHub) -> None:
    location = weights_location(hub)
    hub.faults.add(Fault("wrong_content_range"))

    response = ask(location, headers={"Range": "bytes=0-9"})

    assert (response.status, response.body) == (206, WEIGHT_BYTES[:10])
    assert response.headers["Content-Range"] == "bytes 1-10/10240"


def test_many_ranges_at_once_are_right_and_use_up_a_fault_exactly(hub: LocalHub) -> None:
    location = weights_location(hub)
    hub.faults.add(Fault("status", status=502, times=10))
    ranges = [f"bytes={start}-{start + 63}" for start in range(0, len(WEIGHT_BYTES), 64)]

    with ThreadPoolExecutor(max_workers=16) as threads:
        responses = list(threads.map(lambda part: ask(location, headers={"Range": part}), ranges))

    assert [response.status for response in responses].count(502) == 10
    for start, response in zip(range(0, len(WEIGHT_BYTES), 64), responses, strict=True):
        assert response.status == 502 or response.body == WEIGHT_BYTES[start : start + 64]


def test_closing_ends_idle_and_stalled_connections_and_every_thread(model: Repository) -> None:
    before = set(threading.enumerate())
    stalled: list[tuple[bytes, int, Exception | None]] = []
    with LocalHub([model], faults=[Fault("stall", match=r"^GET /xet", after_bytes=1000)]) as hub:
        location = weights_location(hub)
        reader = threading.Thread(target=lambda: stalled.append(read_until_it_breaks(location)))
        reader.start()
        assert hub.faults.wait_until_stalled()
        with connection_to(hub.endpoint) as idle:
            idle.request("GET", RESOLVE_CONFIG)
            idle.getresponse().read()
            hub.close()
            assert idle.sock.recv(1) == b""
    reader.join()

    assert set(threading.enumerate()) <= before
    [(came, promised, _)] = stalled
    assert len(came) <= promised
    with pytest.raises(ConnectionRefusedError):
        ask(hub.endpoint + RESOLVE_CONFIG)


def test_a_client_that_goes_away_is_no_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / MODEL / "model.safetensors"
    weights.parent.mkdir(parents=True)
    with weights.open("wb") as file:
        file.truncate(32 * 1024**2)
    with LocalHub.from_directory(tmp_path) as hub:
        resolve = f"{hub.endpoint}/{MODEL}/resolve/main/model.safetensors"
        location = urlsplit(ask(resolve, "HEAD").location)
        assert location.hostname is not None
        with socket.create_connection((location.hostname, location.port or 0)) as client:
            client.sendall(f"GET {location.path}?{location.query} HTTP/1.1\r\n\r\n".encode())
            assert client.recv(12) == b"HTTP/1.1 200"

    assert capfd.readouterr().err == ""


def test_a_port_that_is_taken_leaves_nothing_behind(model: Repository, hub: LocalHub) -> None:
    before = set(threading.enumerate())

    with pytest.raises(OSError, match="in use"):
        LocalHub([model], port=urlsplit(hub.endpoint).port or 0)

    assert set(threading.enumerate()) <= before


def test_latency_comes_before_each_answer_but_does_not_delay_the_end(model: Repository) -> None:
    with LocalHub([model], latency_seconds=3600) as hub, connection_to(hub.endpoint) as client:
        client.request("GET", RESOLVE_CONFIG)
        client.sock.settimeout(0.01)
        with pytest.raises(TimeoutError):
            client.sock.recv(1)


@pytest.fixture
def _as_in_the_foreground() -> Iterator[None]:
    """Let commands be interrupted, which those of a shell's background jobs are not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_as_in_the_foreground")
def test_the_command_serves_a_folder_until_it_is_interrupted(model: Repository) -> None:
    folder = model.directory.parents[1]
    command = [
        sys.executable,
        "-m",
        "model_import_cli.folder_hub.server",
        str(folder),
        "--port",
        "0",
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2], text=True
    ) as server:
        assert server.stdout is not None
        endpoint = server.stdout.readline().strip().removeprefix("export HF_ENDPOINT=")
        status = ask(f"{endpoint}/api/models/{MODEL}").status
        server.send_signal(signal.SIGINT)
        exit_code = server.wait(HANG_SECONDS)

    assert (status, exit_code) == (200, 0)


def test_the_command_says_what_is_wrong_with_its_folder(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "model_import_cli.folder_hub.server",
        str(tmp_path / "missing"),
    ]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "missing is not a folder. Give a folder of ORG/NAME/…files" in done.stderr
