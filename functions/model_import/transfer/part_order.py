"""The order in which the parts of a slice are taken: two files at a time, opened in advance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from model_import.transfer.file_transfer import FileTransfer
    from model_import.transfer.part_queue import Work

FILES_AT_A_TIME: Final = 2
"""With one file at a time, SHA-256 could use only one core, and all threads would wait for it."""


def in_order(files: Iterable[FileTransfer], *, ahead: int) -> list[Work]:
    """Return the parts of all files, those of each in order.

    Opening a file takes several round trips, and all threads would wait if its first part did it.
    So opening is separate work, `ahead` works earlier in the queue.
    """
    left = iter(files)
    works: list[Work] = []
    begun: list[Iterator[Work]] = []
    while True:
        while len(begun) < FILES_AT_A_TIME and (file := next(left, None)) is not None:
            if file.part_count > 1:
                works.insert(max(0, len(works) - ahead), file.open_ahead)
            begun.append(file.works())
        if not begun:
            return works
        for parts in list(begun):
            work = next(parts, None)
            if work is None:
                begun.remove(parts)
            else:
                works.append(work)
