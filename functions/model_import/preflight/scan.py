"""Reports the files that the Hub's scanners flag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model_import.findings.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from model_import.sources.hub.snapshot import Snapshot

_HARMLESS: Final = frozenset({"safe", "unscanned", "queued", "error"})
_DOUBTFUL: Final = frozenset({"caution", "suspicious"})
# Levels of securityFileStatus in the Hub's OpenAPI. Every other level counts as unsafe.


def check_scan(snapshot: Snapshot, needed: Collection[str]) -> Iterator[Finding]:
    """Yield a finding for each flagged file; only an unsafe file that is `needed` is an error."""
    listed = {file.path for file in snapshot.files}
    for flagged in snapshot.flagged:
        if flagged.path not in listed or flagged.level in _HARMLESS:
            continue
        refuses = flagged.path in needed and flagged.level not in _DOUBTFUL
        yield Finding.of(
            "FILE_UNSAFE" if refuses else "FILE_SUSPECT",
            flagged.path,
            found=f"The Hub's scanners rate the file as {flagged.level!r}",
            accepted="Files that the scanners do not flag. Their reports: "
            f"{snapshot.source.endpoint}/{snapshot.source.repo_id}/tree/{snapshot.source.commit} .",
        )
