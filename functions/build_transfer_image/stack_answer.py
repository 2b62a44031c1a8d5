"""The answer to CloudFormation's request for a custom resource."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import urllib3

if TYPE_CHECKING:
    from collections.abc import Mapping

_REASON_CHARACTERS_AT_MOST: Final = 1_700
"""An answer may have 4,096 bytes; its other fields need some hundred."""
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html, 2026-11-24
_RETRIES: Final = urllib3.Retry(
    total=6, backoff_factor=1, allowed_methods={"PUT"}, status_forcelist={500, 502, 503, 504}
)


class AnswerNotAcceptedError(Exception):
    """CloudFormation did not accept the answer; Lambda then retries the request."""


@dataclass(frozen=True, slots=True)
class StackAnswer:
    """The result of a request: the attributes of the resource, or why it failed."""

    data: Mapping[str, str]
    failure: str | None = None

    def send(self, request: Mapping[str, Any]) -> None:
        """Send the answer to the URL in the request.

        Raises:
            AnswerNotAcceptedError: Every try was refused or not answered.
        """
        # The URL is signed, so anyone who has it can answer: no message may contain it.
        try:
            response = urllib3.request(
                "PUT",
                request["ResponseURL"],
                body=self._body(request),
                headers={"Content-Type": ""},
                retries=_RETRIES,
                timeout=10,
            )
        except urllib3.exceptions.HTTPError as error:
            raise AnswerNotAcceptedError(type(error).__name__) from None
        if response.status >= 300:  # noqa: PLR2004 – S3's success is 2xx
            raise AnswerNotAcceptedError(f"status {response.status}")

    def _body(self, request: Mapping[str, Any]) -> bytes:
        answer: dict[str, Any] = {
            "Status": "SUCCESS" if self.failure is None else "FAILED",
            "PhysicalResourceId": request["LogicalResourceId"],
            "StackId": request["StackId"],
            "RequestId": request["RequestId"],
            "LogicalResourceId": request["LogicalResourceId"],
            "Data": dict(self.data),
        }
        if self.failure is not None:
            answer["Reason"] = _shortened(self.failure)
        return json.dumps(answer).encode()


def _shortened(reason: str) -> str:
    """Return its start and end, in characters of one byte, or two bytes when escaped."""
    plain = "".join(
        character if character == "\n" or " " <= character <= "~" else "?" for character in reason
    )
    if len(plain) <= _REASON_CHARACTERS_AT_MOST:
        return plain
    half = _REASON_CHARACTERS_AT_MOST // 2
    return f"{plain[:half]}\n[...]\n{plain[-half:]}"
