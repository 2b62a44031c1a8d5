"""`model-import check` as a person runs it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from support.worlds.account_world import MODELS_QUOTA, AccountWorld, account_world
from support.worlds.workflow_world import REPO_ID, repository_files, write_repository

from local.__main__ import SHIPPED_HUB
from model_import_cli.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHIPPED = "model-import/Tiny-Quiz-Llama-Instruct"


@pytest.fixture(autouse=True)
def without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    # No machine of AWS lends any either.
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="module")
def shared_world() -> Iterator[AccountWorld]:
    with account_world() as made:
        yield made


@pytest.fixture
def account(shared_world: AccountWorld, monkeypatch: pytest.MonkeyPatch) -> AccountWorld:
    """Give the command credentials of an account that is empty."""
    shared_world.reset()
    for name, value in shared_world.account.environment.items():
        monkeypatch.setenv(name, value)
    return shared_world


def check(*arguments: str, columns: int = 80) -> Result:
    return CliRunner(env={"COLUMNS": str(columns)}).invoke(main, ["check", *arguments])


def check_shipped(*arguments: str) -> dict[str, Any]:
    return report(check(SHIPPED, "--hub", str(SHIPPED_HUB), "--json", *arguments))


def report(result: Result) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(result.stdout)
    return parsed


def test_a_healthy_repository_is_importable_and_its_plan_is_told() -> None:
    result = check(SHIPPED, "--hub", str(SHIPPED_HUB), "--json")

    assert result.exit_code == 0
    told = report(result)
    assert told["importable"] is True
    assert told["plan"]["architecture"] == "LlamaForCausalLM"
    assert told["plan"]["dtype"] == "BF16"
    assert told["plan"]["model_name"].startswith("model-import-Tiny-Quiz-Llama-Instruct-")
    assert told.keys() == {
        "repo_id", "commit", "importable", "findings", "normalisations", "plan", "forecast",
    }  # fmt: skip
    assert told["plan"].keys() == {
        "files", "bytes", "dtype", "architecture", "context_length", "parameters", "model_name",
    }  # fmt: skip
    assert told["forecast"]["usd_per_active_hour"]["kind"] == "forecast"


def test_without_credentials_the_account_is_said_not_to_be_checked() -> None:
    (finding,) = check_shipped()["findings"]

    assert (finding["code"], finding["severity"]) == ("ACCOUNT_NOT_CHECKED", "warning")
    assert "no AWS credentials" in finding["found"]


def test_with_credentials_a_full_account_refuses_and_an_empty_one_has_nothing_to_say(
    account: AccountWorld,
) -> None:
    empty = check_shipped()
    account.reset(quotas={MODELS_QUOTA: 1})
    account.import_model("occupier")
    full = check(SHIPPED, "--hub", str(SHIPPED_HUB))

    assert empty["findings"] == []
    assert full.exit_code == 1
    assert "MODEL_QUOTA_FULL" in full.stdout
    assert "occupier" in full.stdout


def test_a_name_that_is_given_is_the_name_that_is_checked(account: AccountWorld) -> None:
    account.import_model("mine")

    told = check_shipped("--model-name", "mine")

    assert told["plan"]["model_name"] == "mine"
    assert [finding["code"] for finding in told["findings"]] == ["MODEL_NAME_TAKEN"]


@pytest.mark.parametrize(
    ("code", "finding_code"),
    [
        ("AccessDeniedException", "PERMISSION_MISSING"),
        ("UnrecognizedClientException", "ACCOUNT_NOT_CHECKED"),
    ],
)
def test_credentials_that_may_not_look_refuse_no_repository(
    account: AccountWorld, code: str, finding_code: str
) -> None:
    account.refuse("bedrock:GET /imported-models", code)

    told = check_shipped()

    assert told["importable"] is True
    assert [finding["code"] for finding in told["findings"]] == [finding_code]
    assert "ListImportedModels" in told["findings"][0]["found"]


def test_a_throughput_of_ones_own_changes_the_forecast() -> None:
    seconds = check_shipped("--megabytes-per-second", "0.5")["forecast"]["transfer_seconds"]

    assert seconds["at_least"] == 5
    assert "as configured" in seconds["source"]


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_shows_verdict_model_findings_and_forecast_in_its_width(columns: int) -> None:
    shown = check(SHIPPED, "--hub", str(SHIPPED_HUB), columns=columns).stdout

    title, *rest = shown.splitlines()
    assert title.endswith(": importable (1 warning)")
    assert all(len(line.rstrip()) <= columns for line in rest)
    for text in (
        "LlamaForCausalLM (decoder), 1,213,568 parameters",
        "ACCOUNT_NOT_CHECKED",
        "3.43 USD",
    ):
        assert text in shown


def test_findings_that_say_the_same_of_many_places_share_a_row(tmp_path: Path) -> None:
    files = repository_files()
    for number in range(12, 24):
        files[f"model-{number:05}-of-00099.safetensors"] = b"x"
    write_repository(tmp_path / REPO_ID, files)

    shown = check(REPO_ID, "--hub", str(tmp_path)).stdout

    assert shown.count("SHARD_NOT_IN_INDEX") == 1
    assert "… and 7 more" in shown


def test_a_repository_that_cannot_be_read_is_one_object_too() -> None:
    told = report(check("acme/missing", "--hub", str(SHIPPED_HUB), "--json"))

    assert (told["importable"], told["commit"]) == (False, None)
    assert [finding["code"] for finding in told["findings"]] == ["REPOSITORY_NOT_FOUND"]
    assert set(told["plan"].values()) == {None}


def test_a_refused_repository_shows_every_finding_with_its_remedy(tmp_path: Path) -> None:
    files = repository_files(model_type="bert", quantization_config={"quant_method": "awq"})
    write_repository(tmp_path / REPO_ID, files)

    shown = check(REPO_ID, "--hub", str(tmp_path))
    told = report(check(REPO_ID, "--hub", str(tmp_path), "--json"))

    assert shown.exit_code == 1
    refusing = {row["code"] for row in told["findings"] if row["severity"] == "error"}
    assert refusing == {"ARCH_UNSUPPORTED", "QUANTISED"}
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
    arguments = (SHIPPED, "--hub", str(SHIPPED_HUB))

    allowed = check(*arguments, "--allow-licence", "mit", "--allow-licence", "Apache-2.0")
    denied = check(*arguments, "--deny-licence", "apache-2.0", "--json")

    assert re.search(r"Licence +apache-2\.0", allowed.stdout)
    assert (allowed.exit_code, denied.exit_code) == (0, 1)
    assert report(denied)["findings"][0]["code"] == "LICENCE_DENIED"


def test_a_repository_that_is_closed_is_refused(tmp_path: Path) -> None:
    write_repository(tmp_path / REPO_ID, repository_files())
    (tmp_path / REPO_ID / ".hub.json").write_text('{"disabled": true}')

    result = check(REPO_ID, "--hub", str(tmp_path))

    assert result.exit_code == 1
    assert "REPOSITORY_DISABLED" in result.stdout


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

    finding, _ = refused["findings"]
    assert finding["code"] == "WEIGHTS_NOT_SAFETENSORS"
    assert '"revision": "refs/pr/7"' in finding["remedy"]
    assert converted.exit_code == 0
