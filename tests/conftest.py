"""What all suites share: made-up credentials, and no network beyond loopback."""

from __future__ import annotations

import gc
import os

from hypothesis import HealthCheck, settings

# Importing makes hardly any garbage, and the collector looks through all there is again and again.
gc.disable()

# NumPy's threads would fight the servers and clients of a test for the cores.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

# Once for the process and not around each test: a function of the local AWS may still run between
# two tests, with its own environment, which a test's end would then restore for good.
if not os.environ.get("MODEL_IMPORT_STACK"):  # tests/deployed are of the shell's own account
    for _name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[_name]
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "made-up",
        "AWS_SECRET_ACCESS_KEY": "made-up",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "POWERTOOLS_LOG_LEVEL": "CRITICAL",
    }

# Neither by the clock: on a busy machine a draw or an example takes as long as it takes.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


def pytest_collection_finish() -> None:
    """Collect the garbage of tests, without a look at what was imported before the first one."""
    gc.freeze()
    gc.enable()
