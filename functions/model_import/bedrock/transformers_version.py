"""The version of transformers that Bedrock names in the user guide."""

from __future__ import annotations

from typing import Final

from model_import.bedrock.rules import bedrock_rules

TRANSFORMERS_VERSION: Final = bedrock_rules().transformers_version
TRANSFORMERS: Final = f"transformers {TRANSFORMERS_VERSION}"
"""As findings and the reasons of changes name it."""
