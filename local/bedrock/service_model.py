"""Bedrock's documented requests: routes, members, patterns and limits, from botocore's model.

botocore checks neither patterns nor lengths before it sends a request, so that only the service
finds such a mistake. This module makes the service's checks.
"""

from __future__ import annotations

import functools
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import botocore.session
from botocore.model import (
    ListShape,
    MapShape,
    OperationModel,
    ServiceModel,
    Shape,
    StringShape,
    StructureShape,
)
from botocore.utils import parse_timestamp

from local.bedrock.errors import validation_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SERVICES = ("bedrock", "bedrock-runtime")
UNKNOWN_OPERATION_STATUS = 404

# The service model's pattern for job names backtracks exponentially on repeated dashes; this
# pattern accepts the same names.
_LINEAR_PATTERNS = {
    r"[a-zA-Z0-9](-*[a-zA-Z0-9\+\-\.])*": r"[a-zA-Z0-9][a-zA-Z0-9+.-]*",
}


def find_operation(method: str, path: str) -> tuple[OperationModel, dict[str, str]] | None:
    """Return the operation that a method and a percent-encoded path call, and its labels.

    A label may contain slashes, encoded or not, because identifiers may be ARNs.
    """
    for route, operation in _routes():
        matched = route.fullmatch(path) if operation.http["method"] == method else None
        if matched:
            return operation, {name: unquote(text) for name, text in matched.groupdict().items()}
    return None


def read_request(
    operation: OperationModel,
    labels: Mapping[str, str],
    query: Mapping[str, str],
    headers: Mapping[str, str],
    body: bytes,
) -> dict[str, Any]:
    """Return a request's members by name; header names are expected in lower case.

    Raises:
        BedrockError: ValidationException that lists every constraint the request breaks.
    """
    shape = operation.input_shape
    if shape is None:
        return {}
    payload = shape.serialization.get("payload")
    members = {} if payload else _json_object(body)
    request: dict[str, Any] = {payload: body} if payload else {}
    for name, member in shape.members.items():
        wire_name = str(member.serialization.get("name", name))
        match member.serialization.get("location"):
            case "uri":
                value: Any = labels.get(wire_name)
            case "querystring":
                value = _from_text(member, query.get(wire_name))
            case "header":
                value = headers.get(wire_name.lower())
            case _:
                value = members.get(name, request.get(name))
        if value is not None:
            request[name] = value
    _refuse_violations(list(violations(shape, request)))
    return request


def error_status(name: str) -> int:
    """Return the HTTP status of an error by its name."""
    for service in SERVICES:
        for shape in _service_model(service).error_shapes:
            if shape.name == name:
                return int(shape.metadata["error"]["httpStatusCode"])
    return UNKNOWN_OPERATION_STATUS


def violations(shape: Shape, value: object, path: str = "") -> Iterator[str]:
    """Yield the constraints of a shape that a value breaks, in the service's wording."""
    if isinstance(shape, StructureShape):
        yield from _structure_violations(shape, value, path)
    elif isinstance(shape, ListShape):
        yield from _list_violations(shape, value, path)
    elif isinstance(shape, MapShape):
        if not isinstance(value, dict):
            yield _violation(value, path, "Member must be an object")
    elif isinstance(shape, StringShape):
        yield from _string_violations(shape, value, path)
    else:
        yield from _scalar_violations(shape, value, path)


def json_text(value: object) -> bytes:
    """Return an answer as the service's JSON; times become ISO 8601."""
    return json.dumps(value, ensure_ascii=False, default=_to_text).encode()


@functools.cache
def _service_model(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


@functools.cache
def _routes() -> tuple[tuple[re.Pattern[str], OperationModel], ...]:
    """Return every route of both services, those with the most literal text first."""
    operations = [
        _service_model(service).operation_model(name)
        for service in SERVICES
        for name in _service_model(service).operation_names
    ]
    operations.sort(
        key=lambda operation: -len(re.sub(r"\{.*?\}", "", operation.http["requestUri"]))
    )
    return tuple(
        (_route_pattern(operation.http["requestUri"]), operation) for operation in operations
    )


def _route_pattern(uri: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\+?\}", uri.partition("?")[0])
    literals = [re.escape(literal) for literal in parts[::2]]
    labels = [f"(?P<{label}>.+)" for label in parts[1::2]]
    return re.compile("".join(a + b for a, b in zip(literals, [*labels, ""], strict=True)))


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        members = json.loads(body or b"{}")
    except ValueError as error:
        raise validation_error("The request's body is not JSON.") from error
    if not isinstance(members, dict):
        raise validation_error("The request's body is not a JSON object.")
    return members


def _from_text(shape: Shape, text: str | None) -> object:
    """Return a query parameter in its shape's type, or as text if it is not of that type."""
    if text is None:
        return None
    try:
        if shape.type_name == "integer":
            return int(text)
        if shape.type_name == "timestamp":
            moment: datetime = parse_timestamp(text)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ValueError:
        pass
    return text


def _refuse_violations(found: list[str]) -> None:
    if found:
        count = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected"
        raise validation_error(f"{count}: {'; '.join(found)}")


def _violation(value: object, path: str, constraint: str) -> str:
    shown = "null" if value is None else f"'{value}'"
    return f"Value {shown} at '{path}' failed to satisfy constraint: {constraint}"


def _structure_violations(shape: StructureShape, value: object, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield _violation(value, path, "Member must be an object")
        return
    if shape.metadata.get("union") and len(value.keys() & shape.members.keys()) != 1:
        yield _violation(value, path, f"Member must have one of {list(shape.members)}")
    for name, member in shape.members.items():
        at = f"{path}.{name}" if path else name
        if value.get(name) is not None:
            yield from violations(member, value[name], at)
        elif name in shape.required_members:
            yield _violation(None, at, "Member must not be null")


def _list_violations(shape: ListShape, value: object, path: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield _violation(value, path, "Member must be a list")
        return
    yield from _length_violations(shape, value, len(value), path)
    for position, member in enumerate(value, start=1):
        yield from violations(shape.member, member, f"{path}.{position}.member")


def _string_violations(shape: StringShape, value: object, path: str) -> Iterator[str]:
    if not isinstance(value, str):
        yield _violation(value, path, "Member must be a string")
        return
    too_long = list(_length_violations(shape, value, len(value), path))
    yield from too_long
    if shape.enum and value not in shape.enum:
        yield _violation(value, path, f"Member must satisfy enum value set: {list(shape.enum)}")
    pattern = shape.metadata.get("pattern")
    if pattern and not too_long and not re.fullmatch(_LINEAR_PATTERNS.get(pattern, pattern), value):
        constraint = f"Member must satisfy regular expression pattern: {pattern}"
        yield _violation(value, path, constraint)


def _scalar_violations(shape: Shape, value: object, path: str) -> Iterator[str]:
    accepted = _SCALARS.get(shape.type_name)
    if accepted is None:
        return
    if not isinstance(value, accepted) or (isinstance(value, bool) and bool not in accepted):
        yield _violation(value, path, f"Member must be of type {shape.type_name}")
    elif isinstance(value, bytes):
        yield from _length_violations(shape, "<bytes>", len(value), path)
    elif isinstance(value, int | float):
        least, most = shape.metadata.get("min", value), shape.metadata.get("max", value)
        if value < least:
            constraint = f"Member must have value greater than or equal to {least}"
            yield _violation(value, path, constraint)
        if value > most:
            yield _violation(value, path, f"Member must have value less than or equal to {most}")


_SCALARS: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    # Inside JSON a blob is base64 text.
    "blob": (bytes, str),
    "timestamp": (datetime,),
}


def _length_violations(shape: Shape, value: object, length: int, path: str) -> Iterator[str]:
    least, most = shape.metadata.get("min", length), shape.metadata.get("max", length)
    if length < least:
        constraint = f"Member must have length greater than or equal to {least}"
        yield _violation(value, path, constraint)
    if length > most:
        yield _violation(value, path, f"Member must have length less than or equal to {most}")


def _to_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    raise TypeError(f"{type(value).__name__} cannot be written in an answer")
