"""A signal that ends the program: raised where the program is, and carried out in any case.

Whatever is under way has a few seconds to end in order. A request to AWS can take a minute longer,
and a thread that waits for one cannot be woken; then the program says its last words, and is gone.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from model_import.errors import TransferInterruptedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_SECONDS_TO_END: Final = 6
"""The 5 s that parts on their way to S3 have, and one for their checkpoints."""


class SignalReceivedError(BaseException):
    """Says where the program is to stop.

    It is no Exception: botocore takes those for a failure of the request during which they come up,
    and tries again.
    """


class Interruption:
    """Listens to signals, to the first of them only."""

    def __init__(self) -> None:
        self._last_words: list[Callable[[TransferInterruptedError], None]] = []
        self._received = threading.Event()
        self._signal_name = ""

    def listen(self) -> None:
        """Raise SignalReceivedError in the main thread, which calls this, when a signal comes."""
        # Started now: a signal may come while the main thread holds what starting one takes.
        threading.Thread(target=self._leave_in_time, name="interruption", daemon=True).start()
        for number in _SIGNALS:
            signal.signal(number, self._receive)

    def say(self, last_words: Callable[[TransferInterruptedError], None]) -> None:
        """Have this called, too, when the program does not end by itself after a signal."""
        self._last_words.append(last_words)

    def _receive(self, number: int, _: object) -> None:
        ignore_signals()
        self._signal_name = signal.Signals(number).name
        self._received.set()
        raise SignalReceivedError(self._signal_name)

    def _leave_in_time(self) -> None:
        self._received.wait()
        threading.Event().wait(_SECONDS_TO_END)
        error = TransferInterruptedError(self._signal_name)
        try:
            for say in self._last_words:
                say(error)
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            sys.stderr.flush()
            sys.stdout.flush()
        finally:
            os._exit(1)


@contextmanager
def interruptible() -> Iterator[None]:
    """Give a signal that comes during the block the name that the state machine knows.

    Raises:
        TransferInterruptedError: there was one.
    """
    try:
        yield
    except SignalReceivedError as received:
        raise TransferInterruptedError(str(received)) from None


def ignore_signals() -> None:
    """Let nothing cut short what is done at the end."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
