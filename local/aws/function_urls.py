"""Function URLs of Lambda on one machine: a path per function, at the port of the local AWS.

Requests and answers have the payload format 2.0:
https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

    from local.aws.lambda_functions import LambdaFunction

FUNCTION_URLS: Final = "/function-urls/"


@dataclass(frozen=True, slots=True)
class FunctionUrlAnswer:
    """The response to the caller of a URL."""

    status: HTTPStatus
    body: bytes
    headers: list[tuple[str, str]]


def invoke_function_url(
    function: LambdaFunction, environ: WSGIEnvironment, body: bytes
) -> FunctionUrlAnswer:
    """Invoke a function with a request; an exception is a 502, as in Lambda."""
    invocation = function.invoke(json.dumps(_event(environ, body)).encode())
    if invocation.raised:
        failure = b'{"message": "Internal Server Error"}'
        return FunctionUrlAnswer(HTTPStatus.BAD_GATEWAY, failure, [])
    answer: dict[str, Any] = json.loads(invocation.payload)
    content = answer.get("body", "")
    return FunctionUrlAnswer(
        HTTPStatus(answer["statusCode"]),
        base64.b64decode(content) if answer.get("isBase64Encoded") else content.encode(),
        list(answer.get("headers", {}).items()),
    )


def _event(environ: WSGIEnvironment, body: bytes) -> dict[str, Any]:
    headers = {
        name.removeprefix("HTTP_").lower().replace("_", "-"): value
        for name, value in environ.items()
        if name.startswith("HTTP_") or name in ("CONTENT_TYPE", "CONTENT_LENGTH")
    }
    path = "/" + environ["PATH_INFO"].removeprefix(FUNCTION_URLS).partition("/")[2]
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": environ.get("QUERY_STRING", ""),
        "headers": headers,
        "requestContext": {
            "http": {
                "method": environ["REQUEST_METHOD"],
                "path": path,
                "protocol": environ.get("SERVER_PROTOCOL", "HTTP/1.1"),
                "sourceIp": environ.get("REMOTE_ADDR", "127.0.0.1"),
            },
        },
        # Lambda encodes only bodies whose content type is not text; a webhook's is JSON.
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
