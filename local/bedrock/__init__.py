"""Amazon Bedrock Custom Model Import on one machine: the calls that moto lacks and a runtime."""

import os

# NumPy reads it on import. OpenBLAS's threads spin while they wait for each other. On two busy
# cores, a prompt of 76 tokens then took 380 ms instead of 4 ms (2026-11-23).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from local.bedrock.settings import BedrockSettings
from local.bedrock.wsgi import LocalBedrock

__all__ = ["BedrockSettings", "LocalBedrock"]
