"""What all suites share: made-up credentials, and no network beyond loopback."""

from __future__ import annotations

import os

import pytest

# NumPy's threads would fight the servers and clients of a test for the cores.
os.environ["OPENBLAS_NUM_THREADS"] = "1"


@pytest.fixture(autouse=True)
def made_up_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every boto3 client away from the profile of the shell."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "CRITICAL")
