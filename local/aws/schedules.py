"""EventBridge Scheduler on one machine: a thread that invokes what a rate asks for."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.aws.cloudformation_gaps import Schedule
    from local.aws.lambda_functions import LambdaFunction

_RATE: Final = re.compile(r"rate\((?P<number>\d+) (?P<unit>minute|hour|day)s?\)")
_SECONDS: Final = {"minute": 60, "hour": 3600, "day": 86400}


def rate_seconds(expression: str) -> float:
    """Return the seconds of a rate.

    Raises:
        ValueError: It is something else, such as a cron expression.
    """
    rate = _RATE.fullmatch(expression)
    if rate is None:
        raise ValueError(
            f"{expression!r} is not understood here: give rate(15 minutes) or the like"
        )
    return int(rate["number"]) * _SECONDS[rate["unit"]]


class RunningSchedule:
    """Invokes a function at once and then at its rate, until `close`."""

    def __init__(
        self,
        schedule: Schedule,
        function: LambdaFunction,
        shorten: Callable[[float], float],
        tell: Callable[[str], None],
    ) -> None:
        """Start.

        Args:
            schedule: says how often.
            function: is invoked.
            shorten: makes real seconds of those of the rate.
            tell: hears what a run says that the one before it did not.
        """
        self._function = function
        self._seconds = shorten(rate_seconds(schedule.expression))
        self._tell = tell
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Invoke no more; wait for the invocation that runs."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        told = None
        while True:
            said = self._function.invoke(b"{}").payload.decode()
            if said != told:
                self._tell(f"{self._function.name}: {said}")
            told = said
            if self._ended.wait(self._seconds):
                return
