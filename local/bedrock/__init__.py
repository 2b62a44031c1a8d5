"""Amazon Bedrock Custom Model Import on one machine: the calls that moto lacks, and a runtime."""

import os

# Read when NumPy is first imported. OpenBLAS's threads wait for each other by spinning, which on
# two busy cores made a prompt of 76 tokens take 380 ms instead of 4 ms (2026-11-23).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from local.bedrock.settings import BedrockSettings
from local.bedrock.wsgi import LocalBedrock

__all__ = ["BedrockSettings", "LocalBedrock"]
