"""Folders as Hub repositories: commits, trees and LFS metadata computed from the files."""

import hashlib
import json
import os
import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Literal, Self

Gated = Literal[False, "auto", "manual"]

COMMITTED_AT = "2024-01-01T00:00:00.000Z"
COMMIT_TITLE = "Upload folder"
SETTINGS_NAME = ".hub.json"
_SETTINGS = frozenset(
    {"gated", "private", "allowed_tokens", "refs", "pull_requests", "disabled", "scan"}
)

# The Hub refuses a larger file in plain git: "files larger than 10 MiB".
_LFS_BYTES = 10 * 1024**2
# The .gitattributes that the Hub puts into a new model repository, and formats added since.
_LFS_NAME = re.compile(
    r".+\.(7z|arrow|bin|bz2|ckpt|ftz|gguf|gz|h5|joblib|lfs\..+|mlmodel|model|msgpack|npy|npz|onnx|ot"
    r"|parquet|pb|pickle|pkl|pt|pth|rar|safetensors|tar|tar\..+|tflite|tgz|wasm|xz|zip|zst)"
    r"|.*tfevents.*"
)
# Settings of this server, and folders that git and `hf download --local-dir` create.
_UNSERVED_NAMES = frozenset({SETTINGS_NAME, ".git", ".cache"})
_SIGNATURE = b"Local Hub <hub@localhost> 1704067200 +0000"
_COMMIT_PREFIX = re.compile(r"[0-9a-f]{7,40}")
_ROOT = PurePosixPath()

# One scan at a time, so that concurrent requests hash a large file only once.
_SCANNING = threading.Lock()


@dataclass(frozen=True, slots=True)
class LfsPointer:
    """The content that git stores in place of a large file."""

    sha256: str
    size_bytes: int

    @property
    def text(self) -> bytes:
        return (
            "version https://git-lfs.github.com/spec/v1\n"
            f"oid sha256:{self.sha256}\n"
            f"size {self.size_bytes}\n"
        ).encode()


@dataclass(frozen=True, slots=True)
class RepositoryFile:
    """A file of one snapshot; `blob_id` is the pointer's when the file is in LFS."""

    path: str
    location: Path
    size_bytes: int
    blob_id: str
    lfs: LfsPointer | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A folder's content as a commit; `folders` maps each folder's path to its git tree id."""

    commit: str
    files: Mapping[str, RepositoryFile]
    folders: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PullRequest:
    """The Hub's data about the pull request of a ref `refs/pr/…`."""

    title: str = "Adding `safetensors` variant of this model"
    author: str = "SFconvertbot"
    status: Literal["draft", "open", "closed", "merged"] = "open"


@dataclass(frozen=True, slots=True)
class Repository:
    """A folder that the Hub serves under an id.

    Attributes:
        repo_id: `ORG/NAME`.
        directory: the content of `main`.
        gated: whether its files, not its listing, need approval.
        private: whether the Hub hides it from everyone without access.
        allowed_tokens: the tokens of users that may read it when gated or private.
        refs: further full ref names (`refs/heads/…`, `refs/tags/…`, `refs/pr/…`) and their content;
            two refs to equal content are one commit.
        pull_requests: the pull request of a ref `refs/pr/…`, if it is not the converter's.
        disabled: whether the Hub has disabled it.
        scan: the level that the Hub's scanners give a file; files not listed are safe.
    """

    repo_id: str
    directory: Path
    gated: Gated = False
    private: bool = False
    allowed_tokens: frozenset[str] = frozenset()
    refs: Mapping[str, Path] = field(default_factory=dict)
    pull_requests: Mapping[str, PullRequest] = field(default_factory=dict)
    disabled: bool = False
    scan: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_directory(cls, directory: Path) -> Self:
        """Returns the repository `ORG/NAME`, the last two names of the folder's path.

        Raises:
            ValueError: `.hub.json` names a setting that does not exist.
        """
        repo_id = f"{directory.parent.name}/{directory.name}"
        settings_file = directory / SETTINGS_NAME
        settings = json.loads(settings_file.read_bytes()) if settings_file.exists() else {}
        unknown = settings.keys() - _SETTINGS
        if unknown:
            raise ValueError(f"{settings_file}: unknown settings {', '.join(sorted(unknown))}")
        return cls(
            repo_id=repo_id,
            directory=directory,
            gated=settings.get("gated", False),
            private=settings.get("private", False),
            allowed_tokens=frozenset(settings.get("allowed_tokens", ())),
            refs={ref: directory / target for ref, target in settings.get("refs", {}).items()},
            pull_requests={
                ref: PullRequest(**said) for ref, said in settings.get("pull_requests", {}).items()
            },
            disabled=settings.get("disabled", False),
            scan=settings.get("scan", {}),
        )

    @property
    def heads(self) -> dict[str, Path]:
        """Every full ref name with the folder it points at."""
        return {"refs/heads/main": self.directory, **self.refs}

    def snapshot(self, revision: str) -> Snapshot | None:
        """Returns the current content of a branch, tag, full ref or commit (7 digits or more)."""
        heads = self.heads
        for ref in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
            if ref in heads:
                return read_snapshot(heads[ref])
        if _COMMIT_PREFIX.fullmatch(revision):
            for directory in dict.fromkeys(heads.values()):
                snapshot = read_snapshot(directory)
                if snapshot.commit.startswith(revision):
                    return snapshot
        return None

    def large_file(self, path: str, sha256: str) -> RepositoryFile | None:
        """Returns the LFS file with that content, without scanning the folder.

        The path is trusted: it must come from a snapshot.
        """
        for directory in dict.fromkeys(self.heads.values()):
            if (directory / path).is_file():
                file = _read_file(directory, directory / path)
                if file.lfs is not None and file.lfs.sha256 == sha256:
                    return file
        return None


def repositories_below(directory: Path) -> list[Repository]:
    """Returns a repository for each `ORG/NAME` folder, sorted by id.

    Raises:
        NotADirectoryError: there is no such folder.
    """
    if not directory.is_dir():
        raise NotADirectoryError(f"{directory} is not a folder. Give a folder of ORG/NAME/…files")
    return [
        Repository.from_directory(path)
        for path in sorted(directory.resolve().glob("[!.]*/[!.]*"))
        if path.is_dir()
    ]


def read_snapshot(directory: Path) -> Snapshot:
    """Returns the folder's content as a commit that depends only on that content."""
    with _SCANNING:
        files = [_read_file(directory, path) for path in sorted(_served_paths(directory))]
    tree_ids = _tree_ids(files)
    root_id = tree_ids.pop(_ROOT)
    return Snapshot(
        commit=_object_id(b"commit", _commit_text(root_id)),
        files={file.path: file for file in files},
        folders={str(folder): tree_ids[folder] for folder in sorted(tree_ids)},
    )


def _served_paths(directory: Path) -> Iterator[Path]:
    """Yields the files of the folder, except symbolic links to files outside it."""
    root = directory.resolve()
    for folder, folder_names, file_names in directory.walk():
        folder_names[:] = [name for name in folder_names if name not in _UNSERVED_NAMES]
        for name in file_names:
            path = folder / name
            leaves = path.is_symlink() and not path.resolve().is_relative_to(root)
            if name not in _UNSERVED_NAMES and path.is_file() and not leaves:
                yield path


def _read_file(directory: Path, location: Path) -> RepositoryFile:
    path = location.relative_to(directory).as_posix()
    stat = location.stat()
    lfs = None
    if stat.st_size >= _LFS_BYTES or _LFS_NAME.fullmatch(location.name):
        lfs = LfsPointer(_sha256(location, stat.st_mtime_ns, stat.st_size), stat.st_size)
        blob_id = _object_id(b"blob", lfs.text)
    else:
        blob_id = _blob_id(location, stat.st_mtime_ns, stat.st_size)
    return RepositoryFile(path, location, stat.st_size, blob_id, lfs)


@lru_cache(maxsize=65_536)
def _sha256(location: Path, _mtime_ns: int, _size_bytes: int) -> str:
    with location.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@lru_cache(maxsize=65_536)
def _blob_id(location: Path, _mtime_ns: int, _size_bytes: int) -> str:
    return _object_id(b"blob", location.read_bytes())


def _tree_ids(files: Iterable[RepositoryFile]) -> dict[PurePosixPath, str]:
    """Returns the git tree id of every folder, including the root."""
    entries: dict[PurePosixPath, dict[str, tuple[str, str]]] = defaultdict(dict)
    entries[_ROOT] = {}
    for file in files:
        path = PurePosixPath(file.path)
        for folder in path.parents:
            entries[folder].update()
        entries[path.parent][path.name] = ("100644", file.blob_id)
    tree_ids = {}
    for folder in sorted(entries, key=lambda folder: len(folder.parts), reverse=True):
        tree_ids[folder] = _object_id(b"tree", _tree_content(entries[folder]))
        if folder != _ROOT:
            entries[folder.parent][folder.name] = ("40000", tree_ids[folder])
    return tree_ids


def _tree_content(entries: Mapping[str, tuple[str, str]]) -> bytes:
    def git_order(name: str) -> bytes:
        mode, _ = entries[name]
        return os.fsencode(f"{name}/" if mode == "40000" else name)

    return b"".join(
        entries[name][0].encode()
        + b" "
        + os.fsencode(name)
        + b"\0"
        + bytes.fromhex(entries[name][1])
        for name in sorted(entries, key=git_order)
    )


def _commit_text(tree_id: str) -> bytes:
    return b"tree %b\nauthor %b\ncommitter %b\n\n%b\n" % (
        tree_id.encode(),
        _SIGNATURE,
        _SIGNATURE,
        COMMIT_TITLE.encode(),
    )


def _object_id(kind: bytes, content: bytes) -> str:
    # git names objects by SHA-1; nothing here relies on its strength.
    header = b"%b %d\0" % (kind, len(content))
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()
