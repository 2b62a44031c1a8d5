"""The exception that becomes an error answer."""

from __future__ import annotations


class BedrockError(Exception):
    """An error answer; `name` is the name in the service's API."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.message = message


def validation_error(message: str) -> BedrockError:
    """Return the answer to a request that breaks a documented constraint."""
    return BedrockError("ValidationException", message)


def not_found_error(message: str) -> BedrockError:
    """Return the answer to a request for a job, model or tag holder that does not exist."""
    return BedrockError("ResourceNotFoundException", message)


def malformed_body_error(reason: str) -> BedrockError:
    """Return the answer to an invocation whose body does not fit its format."""
    return validation_error(
        f"Malformed input request: {reason}, please reformat your input and try again."
    )
