"""Names on Bedrock, derived from a repository so that a person recognises it."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from model_import.bedrock_rules import bedrock_rules

_COMMIT_CHARACTERS: Final = 8
_ATTEMPT_CHARACTERS: Final = 12


def model_name(repo_id: str, commit: str) -> str:
    """Return the imported model's name: repository, then the first characters of the commit.

    The same repository and commit always give the same name, and another commit gives another.
    """
    return _joined(repo_id, commit[:_COMMIT_CHARACTERS])


def job_name(imported_model_name: str, execution_arn: str) -> str:
    """Return the import job's name: the model's, then what belongs to this execution alone.

    It is a valid `clientRequestToken` too.
    """
    attempt = hashlib.sha256(execution_arn.encode()).hexdigest()[:_ATTEMPT_CHARACTERS]
    return _joined(imported_model_name, attempt)


def _joined(text: str, suffix: str) -> str:
    room = bedrock_rules().name_characters_at_most - len(suffix) - 1
    stem = re.sub(r"[^0-9A-Za-z]+", "-", text).strip("-")[:room].strip("-")
    return f"{stem}-{suffix}" if stem else suffix
