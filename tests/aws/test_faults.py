"""Transfers under random faults, a short run of them; `make soak` is the long one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from soak.fault_soak import FILES, soak
from soak.kill_soak import kill_tasks
from support.servers.s3_server import s3_server
from support.worlds.loopback_transfer import PREFIX, rig

from model_import.errors import HubUnavailableError, RevisionNotFoundError
from model_import.transfer.file_transfer import FileTransfer
from model_import_cli.folder_hub.faults import Fault

if TYPE_CHECKING:
    from pathlib import Path


def test_random_faults_leave_each_object_right_or_absent_and_no_upload_without_an_owner() -> None:
    done = soak(seed=3, faults=30)

    assert done.faults >= 30
    assert len(done.outcomes) > 8


def test_the_soak_finds_a_transfer_that_compares_no_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FileTransfer, "_verify", lambda *_: None)

    with pytest.raises(AssertionError, match="is wrong"):
        soak(seed=3, faults=500)


def test_programs_that_are_killed_are_gone_on_with_by_others() -> None:
    done = kill_tasks(seed=11, kills=2)

    assert done.struck.total() == 2


def test_a_failure_that_lasts_leaves_no_upload_of_an_earlier_try_open(tmp_path: Path) -> None:
    with s3_server() as s3, rig(s3.url, tmp_path, FILES, s3_attempts=1) as transfer:
        passing = Fault("status", match="GET /xet.*a.safe", status=418, skip=8)
        transfer.hub.faults.add(passing)
        with pytest.raises(HubUnavailableError):
            transfer.transfer()
        assert [upload.key for upload in s3.uploads.values()] == [PREFIX + "a.safetensors"]

        (transfer.folder / "t.json").write_bytes(b"[]")
        with pytest.raises(RevisionNotFoundError):
            transfer.transfer()

        assert s3.uploads == {}
