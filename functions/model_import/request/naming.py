"""Derives names from a repository, in a form that people recognise."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from model_import.bedrock.rules import bedrock_rules

_COMMIT_CHARACTERS: Final = 8
_KEY_CHARACTERS: Final = 12
_DIGEST_CHARACTERS: Final = 20
_EXECUTION_NAME_CHARACTERS_AT_MOST: Final = 80
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html


def model_name(repo_id: str, commit: str, *, normalise: bool = True) -> str:
    """Return the imported model's name: repository, then the first characters of the commit.

    The name is always the same for a repository and commit. Another commit has another name, and
    so has the copy that is not normalised.
    """
    return _joined(repo_id, commit[:_COMMIT_CHARACTERS] + ("" if normalise else "-as-is"))


def source_path(repo_id: str, commit: str, *, normalise: bool = True) -> str:
    """Return the path under which one copy of a source is staged or claimed, without a final /."""
    return f"{repo_id}/{commit}{'' if normalise else '-as-is'}"


def import_key(*identity: str) -> str:
    """Return a short hash of what identifies an import."""
    # No part can contain a line break.
    return hashlib.sha256("\n".join(identity).encode()).hexdigest()[:_KEY_CHARACTERS]


def job_name(imported_model_name: str, key: str, attempt: int) -> str:
    """Return the import job's name: the model's name, the key of the import, the attempt from 1.

    It is also a valid `clientRequestToken`.
    """
    return _joined(imported_model_name, f"{key}-{attempt}")


def execution_name(repo_id: str, commit: str) -> str:
    """Return the name of the execution that imports a release, always the same for a release.

    Step Functions accepts a name once in 90 days, so repeated deliveries start one import. The
    hash covers repository and commit, because a copy of a repository has the same commits.
    """
    digest = hashlib.sha256(f"{repo_id}\n{commit}".encode()).hexdigest()[:_DIGEST_CHARACTERS]
    suffix = f"{commit[:_COMMIT_CHARACTERS]}-{digest}"
    return _joined(repo_id, suffix, _EXECUTION_NAME_CHARACTERS_AT_MOST)


def _joined(text: str, suffix: str, characters_at_most: int | None = None) -> str:
    room = (characters_at_most or bedrock_rules().name_characters_at_most) - len(suffix) - 1
    stem = re.sub(r"[^0-9A-Za-z]+", "-", text).strip("-")[:room].strip("-")
    return f"{stem}-{suffix}" if stem else suffix
