"""`model-import check` as a person runs it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from workflow_world import REPO_ID, repository_files, write_repository

from cli.__main__ import main
from local.__main__ import SHIPPED_HUB

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED = "model-import/Tiny-Quiz-Llama-Instruct"


def check(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["check", *arguments])


def report(result: Result) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(result.stdout)
    return parsed


def test_a_healthy_repository_is_importable_and_its_plan_is_told() -> None:
    result = check(SHIPPED, "--hub", str(SHIPPED_HUB), "--json")

    assert result.exit_code == 0
    told = report(result)
    assert told["importable"] is True
    assert told["plan"]["architecture"] == "LlamaForCausalLM"
    assert told["plan"]["kind"] == "decoder"
    assert told["plan"]["dtype"] == "BF16"
    assert told["plan"]["model_name"].startswith("model-import-Tiny-Quiz-Llama-Instruct-")


def test_a_refused_repository_shows_every_finding_with_its_remedy(tmp_path: Path) -> None:
    files = repository_files(model_type="bert", quantization_config={"quant_method": "awq"})
    write_repository(tmp_path / REPO_ID, files)

    shown = check(REPO_ID, "--hub", str(tmp_path))
    told = report(check(REPO_ID, "--hub", str(tmp_path), "--json"))

    assert shown.exit_code == 1
    assert {finding["code"] for finding in told["findings"]} == {"ARCH_UNSUPPORTED", "QUANTISED"}
    assert all(finding["code"] in shown.stdout for finding in told["findings"])


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (("acme/missing", "--hub", str(SHIPPED_HUB)), 1),
        (("no-organisation", "--hub", str(SHIPPED_HUB)), 2),
        ((SHIPPED, "--hub", "/no/such/folder"), 2),
        ((SHIPPED, "--hub", "http://127.0.0.1:9"), 2),
        ((SHIPPED, "--region", "eu-west-1"), 2),
    ],
)
def test_exit_codes_tell_a_refusal_from_a_check_that_could_not_be_made(
    arguments: tuple[str, ...], exit_code: int
) -> None:
    assert check(*arguments).exit_code == exit_code


def test_a_licence_is_held_against_the_lists_of_the_command() -> None:
    arguments = (SHIPPED, "--hub", str(SHIPPED_HUB), "--json")

    allowed = check(*arguments, "--allow-licence", "mit", "--allow-licence", "Apache-2.0")
    denied = check(*arguments, "--deny-licence", "apache-2.0")

    assert report(allowed)["plan"]["licence"] == "apache-2.0"
    assert (allowed.exit_code, denied.exit_code) == (0, 1)
    assert [finding["code"] for finding in report(denied)["findings"]] == ["LICENCE_DENIED"]


def test_a_repository_that_is_closed_is_refused(tmp_path: Path) -> None:
    write_repository(tmp_path / REPO_ID, repository_files())
    (tmp_path / REPO_ID / ".hub.json").write_text('{"disabled": true}')

    result = check(REPO_ID, "--hub", str(tmp_path))

    assert result.exit_code == 1
    assert "RepositoryDisabledError" in result.stdout


def test_pickled_weights_are_shown_with_the_revision_that_has_them_converted(
    tmp_path: Path,
) -> None:
    files = repository_files()
    others = {name: content for name, content in files.items() if "safetensors" not in name}
    write_repository(tmp_path / REPO_ID, {**others, "pytorch_model.bin": b"\x80"})
    write_repository(tmp_path / REPO_ID / ".cache" / "converted", files)
    settings = {"refs": {"refs/pr/7": ".cache/converted"}}
    (tmp_path / REPO_ID / ".hub.json").write_text(json.dumps(settings))

    refused = report(check(REPO_ID, "--hub", str(tmp_path), "--json"))
    converted = check(REPO_ID, "--hub", str(tmp_path), "--revision", "refs/pr/7")

    [finding] = refused["findings"]
    assert finding["code"] == "WEIGHTS_NOT_SAFETENSORS"
    assert '"revision": "refs/pr/7"' in finding["remedy"]
    assert converted.exit_code == 0
