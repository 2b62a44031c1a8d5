"""Judges an answer: it must not be empty, must be complete, and must be as expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model_import.errors import SmokeTestFailedError

if TYPE_CHECKING:
    from model_import.smoke_test.answer import Answer
    from model_import.smoke_test.body import Question


def judge(model_arn: str, question: Question, answer: Answer, expect: str | None) -> str:
    """Return the text of an answer that passes, up to the `stop` of its format.

    Raises:
        SmokeTestFailedError: The answer is empty, incomplete or not as expected.
    """
    text, stop = answer.text, ""
    if question.stop is not None:
        text, stop, _ = text.partition(question.stop)
    text = text.strip()
    if not text:
        raise SmokeTestFailedError(model_arn, "it gave an empty answer to the smoke test")
    if question.must_end and not stop and answer.finish_reason == "length":
        found = f"it did not end its answer by itself: {text[:200]!r}"
        raise SmokeTestFailedError(model_arn, found)
    if expect is not None and expect not in text:
        found = f"it answered {text[:500]!r}, but {expect!r} is expected"
        raise SmokeTestFailedError(model_arn, found)
    return text
