"""A function has its own environment while it runs, and leaves that of the process as it was."""

from __future__ import annotations

import inspect
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from local.aws.lambda_functions import LambdaFunction, _load

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


def function(handler: Callable[[object, object], object]) -> LambdaFunction:
    made = LambdaFunction(
        "f", "arn:f", "f.app.f", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "OF_FUNCTION": "its"}
    )
    made._loaded = handler
    return made


def test_what_others_set_while_a_function_runs_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_FUNCTION", "of the process")
    seen: dict[str, str] = {}

    def handler(_event: object, _context: object) -> None:
        seen.update(os.environ)
        monkeypatch.setenv("OF_ANOTHER", "another's")

    assert not function(handler).invoke(b"{}").raised
    assert (seen["OF_FUNCTION"], seen["AWS_ENDPOINT_URL"]) == ("its", "http://127.0.0.1:9")
    assert os.environ["OF_FUNCTION"] == "of the process"
    assert "AWS_ENDPOINT_URL" not in os.environ
    assert os.environ["OF_ANOTHER"] == "another's"


def test_a_deleted_function_has_ended_and_runs_no_more() -> None:
    runs, goes_on = threading.Event(), threading.Event()
    deleting = threading.Event()
    order: list[str] = []

    def handler(_event: object, _context: object) -> str:
        runs.set()
        goes_on.wait()
        order.append("ended")
        return "done"

    deleted = function(handler)

    def delete() -> None:
        deleting.set()
        deleted.delete()
        order.append("deleted")

    with ThreadPoolExecutor() as threads:
        running = threads.submit(deleted.invoke, b"{}")
        runs.wait()
        deletion = threads.submit(delete)
        deleting.wait()
        try:
            assert not deletion.done()
        finally:
            goes_on.set()
        deletion.result()
        assert order == ["ended", "deleted"]
        assert "AWS_ENDPOINT_URL" not in os.environ
        assert json.loads(running.result().payload) == "done"

    late = deleted.invoke(b"{}")
    assert late.raised
    assert "Function not found: arn:f" in late.payload.decode()


def test_what_a_handler_keeps_is_of_its_own_function_alone() -> None:
    one, other = (
        inspect.unwrap(_load("verify_transfer.app.handler")).__globals__["s3"] for _ in range(2)
    )

    assert one is not other
