"""Ends the program after a signal: by an exception in the main thread, or else by force.

Work in progress has a few seconds to end in order. A request to AWS can take a minute longer, and
nothing can wake a thread that waits for one. Then the program reports the interruption, and exits.
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
"""5 s for the parts in flight to S3, and 1 s for their checkpoints."""


class SignalReceivedError(BaseException):
    """A signal was received, and the program must stop.

    It is not an Exception: botocore would take one for a failure of the current request, and would
    retry the request.
    """


class Interruption:
    """Listens for signals, and acts on the first one only."""

    def __init__(self) -> None:
        self._exit_calls: list[Callable[[TransferInterruptedError], None]] = []
        self._received = threading.Event()
        self._signal_name = ""

    def listen(self) -> None:
        """Have signals raise SignalReceivedError in the main thread, which must call this."""
        # Started now: when the signal comes, the main thread may hold a lock that a start needs.
        threading.Thread(target=self._leave_in_time, name="interruption", daemon=True).start()
        for number in _SIGNALS:
            signal.signal(number, self._receive)

    def call_before_exit(self, report: Callable[[TransferInterruptedError], None]) -> None:
        """Have `report` called if the program does not end by itself after a signal."""
        self._exit_calls.append(report)

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
            for report in self._exit_calls:
                report(error)
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            sys.stderr.flush()
            sys.stdout.flush()
        finally:
            os._exit(1)


@contextmanager
def interruptible() -> Iterator[None]:
    """Translate a signal during the block into the error that the state machine knows.

    Raises:
        TransferInterruptedError: a signal was received.
    """
    try:
        yield
    except SignalReceivedError as received:
        raise TransferInterruptedError(str(received)) from None


def ignore_signals() -> None:
    """Ignore further signals, so that the last steps can finish."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
