"""What the transfer image installs, against uv.lock."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
ROOTS = {"aws-lambda-powertools", "awscrt", "boto3", "urllib3"}


def locked() -> dict[str, dict[str, Any]]:
    lock = tomllib.loads((PROJECT / "uv.lock").read_text(encoding="utf-8"))
    return {package["name"]: package for package in lock["package"]}


def test_the_image_installs_what_the_lock_says_and_all_that_it_needs() -> None:
    packages = locked()
    needed = set(ROOTS)
    for _ in packages:
        needed |= {
            dependency["name"]
            for name in needed
            for dependency in packages[name].get("dependencies", [])
        }
    lines = (PROJECT / "functions/transfer_model/requirements.txt").read_text(encoding="utf-8")
    pins = {line for line in lines.splitlines() if not line.startswith("#")}

    assert pins == {f"{name}=={packages[name]['version']}" for name in needed}
