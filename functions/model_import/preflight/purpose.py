"""Checks that a repository is published as a model that generates text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model_import.bedrock.rules import bedrock_rules
from model_import.findings.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_import.sources.hub.snapshot import Snapshot

_EMBEDDING_FILES: Final = ("config_sentence_transformers.json", "modules.json")
_EMBEDDING_LIBRARY: Final = "sentence-transformers"


def check_purpose(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield a finding if the model is published for another task than generating text."""
    files = [path for path in _EMBEDDING_FILES if snapshot.file(path)]
    uses = bedrock_rules().uses
    if files or snapshot.card.library == _EMBEDDING_LIBRARY:
        yield Finding.of(
            "EMBEDDING_MODEL",
            files[0] if files else "README.md: library_name",
            found="The repository contains an embedding model for sentence-transformers",
            accepted="Custom Model Import accepts models that generate text.",
        )
    elif snapshot.card.use is not None and snapshot.card.use not in uses:
        yield Finding.of(
            "USE_OTHER",
            "README.md: pipeline_tag",
            found=f"The model is published for {snapshot.card.use}",
            accepted=f"Tasks that generate text: {', '.join(uses)}.",
        )
