"""Lambda on one machine: the functions of the stack, run in this process.

A function's module is loaded again for each stack, as in a cold start. Every invocation sets the
function's environment in this process, so only one invocation runs at a time.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
import threading
import traceback
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FUNCTIONS: Final = Path(__file__).parents[2] / "functions"
_REMAINING_MILLISECONDS: Final = 900_000
"""Lambda's maximum, because a function takes longer on a busy machine."""

_environment_lock = threading.RLock()


@dataclass(frozen=True, slots=True)
class Invocation:
    """The response of Lambda: the payload, and whether the function raised."""

    payload: bytes
    raised: bool


@dataclass(slots=True)
class LambdaFunction:
    """A deployed function; `handler` is written as in the template, `folder.app.handler`."""

    name: str
    arn: str
    handler: str
    environment: dict[str, str]
    _loaded: Callable[[Any, Any], Any] | None = field(default=None, init=False)

    def delete(self) -> None:
        """Wait for the running invocation; later ones raise."""
        with _environment_lock:
            self._loaded = _not_found

    def invoke(self, payload: bytes) -> Invocation:
        """Run the handler; return an exception as Lambda does, with its class name."""
        with _environment(self.environment):
            try:
                event = json.loads(payload or b"{}")
                if self._loaded is None:
                    self._loaded = _load(self.handler)
                result = self._loaded(event, _Context(self.name, self.arn))
                return Invocation(json.dumps(result).encode(), raised=False)
            except Exception as error:  # noqa: BLE001 – any exception of a function is its response
                answer = {
                    "errorMessage": str(error),
                    "errorType": type(error).__name__,
                    "requestId": str(uuid.uuid4()),
                    "stackTrace": traceback.format_tb(error.__traceback__),
                }
                return Invocation(json.dumps(answer).encode(), raised=True)


@dataclass(frozen=True, slots=True)
class _Context:
    """The fields of a Lambda context that Powertools reads."""

    function_name: str
    invoked_function_arn: str
    memory_limit_in_mb: int = 1024
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def get_remaining_time_in_millis(self) -> int:
        return _REMAINING_MILLISECONDS


def _not_found(_event: object, context: _Context) -> None:
    raise LookupError(f"Function not found: {context.invoked_function_arn}")


def _load(handler: str) -> Callable[[Any, Any], Any]:
    folder, module_name, function = handler.split(".")
    # What handlers share keeps the clients of one function.
    for name in [name for name in sys.modules if name.partition(".")[0] == "stack"]:
        del sys.modules[name]
    path = FUNCTIONS / folder / f"{module_name}.py"
    spec = importlib.util.spec_from_file_location(f"{folder}.{module_name}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"Unable to import module {handler!r}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    loaded: Callable[[Any, Any], Any] = getattr(module, function)
    return loaded


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    with _environment_lock:
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            yield
        finally:
            # Only these: other code in this process may have set others meanwhile.
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
