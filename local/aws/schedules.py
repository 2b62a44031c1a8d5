"""EventBridge Scheduler on one machine: a thread that invokes a function at a rate."""

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
        ValueError: The expression is not a rate; it may be a cron expression.
    """
    rate = _RATE.fullmatch(expression)
    if rate is None:
        raise ValueError(f"{expression!r} is not a rate. Give a rate such as rate(15 minutes)")
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
            schedule: has the rate.
            function: the function to invoke.
            shorten: converts the seconds of the rate to real seconds.
            tell: receives the result of a run if it differs from that of the previous run.
        """
        self._function = function
        self._seconds = shorten(rate_seconds(schedule.expression))
        self._tell = tell
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop invoking; wait for the running invocation."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        last_payload = None
        while True:
            payload = self._function.invoke(b"{}").payload.decode()
            if payload != last_payload:
                self._tell(f"{self._function.name}: {payload}")
            last_payload = payload
            if self._ended.wait(self._seconds):
                return
