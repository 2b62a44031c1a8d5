"""`python -m local run` as a person starts it: exit codes, JSON, Ctrl-C, faults on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest
from support.waiting import HANG_SECONDS
from support.worlds.workflow_world import REPO_ID, repository_files, write_repository

from local.__main__ import SHIPPED_HUB
from local.deployment.stack import ROOT
from model_import_cli.folder_hub.faults import Fault
from model_import_cli.folder_hub.repositories import Repository
from model_import_cli.folder_hub.server import LocalHub

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED: Final = "model-import/Tiny-Quiz-Llama-Instruct"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "local", *arguments]


def run(*arguments: str, what: str = "run") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(what, *arguments),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_SECONDS,
    )


def last_json(finished: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return answer


def test_the_shipped_model_is_imported_and_answers_the_question_of_the_field_report() -> None:
    finished = run(SHIPPED, "--json", "--input", '{"expect": "トランペット"}')

    assert finished.returncode == 0, finished.stderr
    answer = last_json(finished)
    assert answer["status"] == "SUCCEEDED"
    assert answer["answer"] == "トランペット"
    assert answer["model_arn"].startswith("arn:aws:bedrock:us-east-1:")
    assert answer["states"][-1] == "Model Imported"
    assert answer.keys() == {
        "status", "error", "cause", "findings", "model_arn", "model_name", "answer", "states",
        "manifest", "seconds",
    }  # fmt: skip
    assert "Smoke Test" in finished.stderr


def test_one_command_shows_a_release_from_its_delivery_to_the_announcement() -> None:
    finished = run(what="release")

    assert finished.returncode == 0, finished.stderr
    course = [
        "The Hub posts hub_webhook.json",
        "› Read Policy",
        "› Import Started",
        "› Validate Repository",
        f"announced Import started: {SHIPPED}",
        "› Verify Transfer",
        "› Smoke Test",
        f"announced Imported: {SHIPPED}",
        "Model imported in",
    ]
    places = [finished.stdout.find(step) for step in course]
    assert -1 not in places, finished.stdout
    assert places == sorted(places)


def test_the_hub_may_fail_cut_connections_and_let_locations_expire() -> None:
    directory = SHIPPED_HUB / SHIPPED
    shard = r"model-0000\d"
    faults = [
        Fault("status", match=rf"HEAD|GET /{SHIPPED}/resolve", status=500, times=2),
        Fault("reset", match=rf"^GET /xet.*{shard}", after_bytes=300_000, times=3),
        Fault("expire", match=rf"^GET /xet.*{shard}", skip=4, times=2),
    ]
    with LocalHub([Repository(SHIPPED, directory)], faults=faults) as hub:
        finished = run(SHIPPED, "--json", "--hub", hub.endpoint)

        assert finished.returncode == 0, finished.stderr
        assert last_json(finished)["answer"] == "トランペット"
        assert {fault.kind for fault in hub.faults.struck} >= {"status", "reset"}


def test_a_refused_repository_ends_with_1_and_names_every_finding(tmp_path: Path) -> None:
    files = repository_files(quantization_config={"quant_method": "gptq"}, model_type="bert")
    write_repository(tmp_path / REPO_ID, files)

    finished = run(REPO_ID, "--hub", str(tmp_path), "--json")

    assert finished.returncode == 1
    answer = last_json(finished)
    assert answer["error"] == "ModelNotImportableError"
    assert {finding["code"] for finding in answer["findings"]} == {"ARCH_UNSUPPORTED", "QUANTISED"}
    assert all(finding["remedy"] for finding in answer["findings"])


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((REPO_ID, "--hub", "/no/such/folder"), "/no/such/folder"),
        ((REPO_ID, "--input", "{"), "not JSON"),
        ((REPO_ID, "--input", "[]"), "not a JSON object"),
        ((), "REPO_ID"),
    ],
)
def test_wrong_usage_ends_with_2(arguments: tuple[str, ...], word: str) -> None:
    finished = run(*arguments)

    assert finished.returncode == 2
    assert word in finished.stderr


def test_ctrl_c_during_the_transfer_leaves_no_process_behind(tmp_path: Path) -> None:
    write_repository(tmp_path / REPO_ID, repository_files())
    stall = Fault("stall", match=r"^GET /xet.*00001", after_bytes=50_000, times=None)
    with LocalHub([Repository(REPO_ID, tmp_path / REPO_ID)], faults=[stall]) as hub:
        process = subprocess.Popen(
            command("run", REPO_ID, "--hub", hub.endpoint),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert hub.faults.wait_until_stalled()
        children = _children(process.pid)
        assert children

        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=HANG_SECONDS)

    assert "nothing is left running" in output
    assert "Traceback" not in output
    assert not [child for child in children if _is_alive(child)]
    assert process.returncode == 1


def _children(pid: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "--ppid", str(pid), "-o", "pid="], capture_output=True, text=True, check=False
    )
    return [int(line) for line in listed.stdout.split()]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
