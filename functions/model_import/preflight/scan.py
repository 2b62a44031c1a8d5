"""What the Hub's own scanners have against a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model_import.findings.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from model_import.sources.hub.snapshot import Snapshot

_HARMLESS: Final = frozenset({"safe", "unscanned", "queued", "error"})
_DOUBTFUL: Final = frozenset({"caution", "suspicious"})
# Levels of securityFileStatus in the Hub's OpenAPI; what is neither counts as unsafe.


def check_scan(snapshot: Snapshot, needed: Collection[str]) -> Iterator[Finding]:
    """Yield the flagged files; of those `needed`, a copied file or code, an unsafe one refuses."""
    listed = {file.path for file in snapshot.files}
    for flagged in snapshot.flagged:
        if flagged.path not in listed or flagged.level in _HARMLESS:
            continue
        refuses = flagged.path in needed and flagged.level not in _DOUBTFUL
        yield Finding.of(
            "FILE_UNSAFE" if refuses else "FILE_SUSPECT",
            flagged.path,
            found=f"The Hub's scan says {flagged.level!r} of it",
            accepted="Files that the scanners have nothing against; their reports: "
            f"{snapshot.source.endpoint}/{snapshot.source.repo_id}/tree/{snapshot.source.commit} .",
        )
