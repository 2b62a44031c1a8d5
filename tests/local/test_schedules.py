"""Schedules on one machine: what of EventBridge Scheduler is understood, and when it acts."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from support.waiting import HANG_SECONDS

from local.aws.cloudformation_gaps import Schedule
from local.aws.lambda_functions import Invocation
from local.aws.schedules import RunningSchedule, rate_seconds

if TYPE_CHECKING:
    from local.aws.lambda_functions import LambdaFunction


@dataclass(slots=True)
class Counting:
    """A function that says how often it was invoked, and the same from the third time on."""

    name: str = "watch"
    count: int = 0
    third: threading.Event = field(default_factory=threading.Event)

    def invoke(self, _payload: bytes) -> Invocation:
        self.count += 1
        if self.count == 3:
            self.third.set()
        return Invocation(str(min(self.count, 2)).encode(), raised=False)


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [("rate(1 minute)", 60), ("rate(15 minutes)", 900), ("rate(2 hours)", 7200)],
)
def test_a_rate_is_understood(expression: str, seconds: float) -> None:
    assert rate_seconds(expression) == seconds


@pytest.mark.parametrize("expression", ["cron(0 * * * ? *)", "rate(1)", "15 minutes", ""])
def test_anything_else_is_refused_with_what_is_understood(expression: str) -> None:
    with pytest.raises(ValueError, match="Give a rate"):
        rate_seconds(expression)


def test_a_schedule_acts_at_once_and_again_and_tells_what_is_new() -> None:
    function, told = Counting(), list[str]()
    schedule = Schedule("rate(1 minute)", "arn")
    acting: LambdaFunction = function  # type: ignore[assignment]  # it has what is used

    with closing(RunningSchedule(schedule, acting, lambda _seconds: 0, told.append)):
        assert function.third.wait(HANG_SECONDS)
    count = function.count

    assert told == ["watch: 1", "watch: 2"]
    assert function.count == count
