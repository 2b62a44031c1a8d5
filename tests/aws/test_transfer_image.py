"""The transfer image without a container engine: what its Dockerfile pins, installs and starts."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Final

import boto3
import pytest
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename
from support.worlds.loopback_transfer import BUCKET, CREDENTIALS, REGION, bytes_of, moto_server, rig

from build_transfer_image.image_sources import ImageSources
from model_import.manifest import TransferReport
from model_import.staging.part_sizes import PART_BYTES_BY_DEFAULT

PROJECT: Final = Path(__file__).parents[2]
FUNCTIONS: Final = PROJECT / "functions"
DOCKERFILE: Final = FUNCTIONS / "transfer_model" / "Dockerfile"
# Debian 13 has glibc 2.41; wheels name the one that they were built for.
PLATFORMS: Final = [f"manylinux_2_{minor}_aarch64" for minor in range(41, 16, -1)]
SLICE_KEY: Final = "imports/1/slice-0.json"

# A root file system that is read-only refuses every write but those to where something is mounted.
READ_ONLY_ROOT: Final = """
import errno, os, runpy, sys

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate",
           "tempfile.mkstemp", "tempfile.mkdtemp", "shutil.move", "shutil.rmtree"}

def refuse(event, args):
    if event == "open" and not isinstance(args[0], int) and (args[2] or 0) & WRITES:
        if not os.fspath(args[0]).startswith("/dev/"):
            raise OSError(errno.EROFS, "Read-only file system", os.fspath(args[0]))
    elif event in CHANGES:
        raise OSError(errno.EROFS, "Read-only file system", str(args[0]))

sys.addaudithook(refuse)
sys.argv = ["transfer_model"]
runpy.run_module("transfer_model", run_name="__main__")
"""


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n\s*", "", DOCKERFILE.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines]


def arguments(instruction: str) -> list[str]:
    return [text for name, text in instructions() if name == instruction]


def requirements(
    path: Path = FUNCTIONS / "transfer_model" / "requirements.txt",
) -> dict[str, set[str]]:
    """Return the hashes of each requirement, by name==version."""
    text = path.read_text(encoding="utf-8")
    pins: dict[str, set[str]] = {}
    for requirement in text.replace("\\\n", "").splitlines():
        pin, *hashes = requirement.split()
        pins[pin] = {hash_.removeprefix("--hash=") for hash_ in hashes}
    return pins


def locked() -> dict[str, dict[str, Any]]:
    lock = tomllib.loads((PROJECT / "uv.lock").read_text(encoding="utf-8"))
    return {package["name"]: package for package in lock["package"]}


def test_the_image_installs_what_the_lock_says_by_hash_and_all_that_it_needs() -> None:
    packages = locked()
    group = packages["model-import"]["dev-dependencies"]["transfer"]
    needed = {"awscrt"} | {dependency["name"] for dependency in group}
    for _ in packages:
        needed |= {
            dependency["name"]
            for name in needed
            for dependency in packages[name].get("dependencies", [])
        }

    assert requirements() == {
        f"{name}=={packages[name]['version']}": {
            file["hash"] for file in [packages[name]["sdist"], *packages[name]["wheels"]]
        }
        for name in needed
    }


def test_every_requirement_has_a_wheel_for_the_images_platform() -> None:
    python = (3, 13)
    tags = {
        *cpython_tags(python, platforms=PLATFORMS),
        *compatible_tags(python, "cp313", PLATFORMS),
    }
    packages = locked()
    for pin in requirements():
        wheels = packages[pin.partition("==")[0]]["wheels"]
        names = [wheel["url"].rpartition("/")[2] for wheel in wheels]

        assert any(parse_wheel_filename(name)[3] & tags for name in names), pin


def test_the_base_is_pinned_by_digest_and_the_user_has_no_rights() -> None:
    bases = {text.partition(" AS ")[0] for text in arguments("FROM")}

    assert len(bases) == 1
    assert re.fullmatch(r"\S+/python:3\.13\.\d+-slim-trixie@sha256:[0-9a-f]{64}", bases.pop())
    assert arguments("USER") == ["65532:65532"]
    assert [name for name, _ in instructions()].index("USER") > [
        name for name, _ in instructions()
    ].index("ENV")


def test_the_sources_of_a_build_are_all_that_the_dockerfile_copies() -> None:
    copied = [text.split()[0] for text in arguments("COPY") if not text.startswith("--from")]
    paths = {path for path, _ in ImageSources.read(FUNCTIONS).files}

    assert "transfer_model/Dockerfile" in paths
    for source in copied:
        assert any(path == source or path.startswith(f"{source}/") for path in paths), source


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Carry out the Dockerfile's steps below a folder that stands for the root of the image."""
    root = tmp_path_factory.mktemp("image")
    context = tmp_path_factory.mktemp("context")
    for path, content in ImageSources.read(FUNCTIONS).files:
        (context / path).parent.mkdir(parents=True, exist_ok=True)
        (context / path).write_bytes(content)
    for instruction, text in instructions():
        if instruction == "COPY" and not text.startswith("--from"):
            source, destination = text.split()
            copy_into(context / source, root / destination.lstrip("/").removeprefix("."))
        if instruction == "RUN":
            run_below(root, shlex.split(text))
    return root


def copy_into(source: Path, destination: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, destination)
    else:
        shutil.copy(source, destination)


def run_below(root: Path, command: list[str]) -> None:
    """Run a step; what pip would bring from an index comes from this environment."""
    command = [f"{root}{word}" if word.startswith("/") else word for word in command]
    if command[:2] == ["pip", "install"]:
        install_from_this_environment(root, command[2:])
    else:
        subprocess.run([sys.executable, *command[1:]], cwd=root, check=True)


def install_from_this_environment(root: Path, options: list[str]) -> None:
    """Copy the files of the requirements alone, which the same lock has put here by hash."""
    pip = argparse.ArgumentParser()
    for flag in ("no-cache-dir", "disable-pip-version-check", "no-deps", "require-hashes"):
        pip.add_argument(f"--{flag}", action="store_true", required=True)
    for option in ("only-binary", "target", "requirement"):
        pip.add_argument(f"--{option}", required=True)
    given = pip.parse_args(options)
    for pin in requirements(root / given.requirement):
        name, _, version = pin.partition("==")
        installed = distribution(name)
        assert installed.version == version
        for file in installed.files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                target = Path(given.target) / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(file.locate()), target)


def environment(root: Path) -> dict[str, str]:
    (variables,) = arguments("ENV")
    pairs = dict(pair.split("=", 1) for pair in variables.split())
    return pairs | {"PYTHONPATH": f"{root}{pairs['PYTHONPATH']}"}


def start(root: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    (workdir,) = arguments("WORKDIR")
    return subprocess.run(
        # -S: nothing of this environment's own packages.
        [sys.executable, "-S", "-W", "error", "-c", READ_ONLY_ROOT],
        env=environment(root) | environ,
        cwd=f"{root}{workdir}",
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_entry_point_is_the_transfer_program() -> None:
    assert json.loads(arguments("ENTRYPOINT")[0]) == ["python", "-m", "transfer_model"]


def test_the_program_refuses_an_environment_without_a_slice_by_name(root: Path) -> None:
    ended = start(root, {"AWS_DEFAULT_REGION": REGION})

    assert ended.returncode == 1
    assert ended.stderr.startswith("InvalidInputError: SLICE_URI is ''")


def test_a_slice_is_moved_from_the_images_own_files_on_a_read_only_root(
    root: Path, tmp_path: Path
) -> None:
    before = set(root.rglob("*"))
    files = {"model.safetensors": bytes_of(6 * 1024 * 1024), "tokenizer.json": b"{}"}
    with moto_server() as s3_url, rig(s3_url, tmp_path, files) as transfer:
        transfer.part_bytes = PART_BYTES_BY_DEFAULT
        s3 = boto3.client("s3", endpoint_url=s3_url, region_name=REGION, **CREDENTIALS)
        s3.put_object(
            Bucket=BUCKET, Key=SLICE_KEY, Body=json.dumps(transfer.slice.to_dict()).encode()
        )
        ended = start(
            root,
            {
                "AWS_ACCESS_KEY_ID": CREDENTIALS["aws_access_key_id"],
                "AWS_SECRET_ACCESS_KEY": CREDENTIALS["aws_secret_access_key"],
                "AWS_DEFAULT_REGION": REGION,
                "AWS_ENDPOINT_URL": s3_url,
                "SLICE_URI": f"s3://{BUCKET}/{SLICE_KEY}",
                "TRANSFER_CONNECTIONS": "4",
            },
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        assert {path: transfer.stored(path) for path in files} == files
        stored = s3.get_object(Bucket=BUCKET, Key=transfer.slice.report_key)
        assert [file.path for file in TransferReport.from_dict(json.load(stored["Body"])).files]
        s3.close()
    assert set(root.rglob("*")) == before
