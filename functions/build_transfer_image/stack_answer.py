"""The answer that CloudFormation waits for when it has asked for a custom resource."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import urllib3

if TYPE_CHECKING:
    from collections.abc import Mapping

_REASON_CHARACTERS_AT_MOST: Final = 1_700
"""An answer may have 4,096 bytes, and its other fields take some hundreds."""
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html, 2026-11-24
_RETRIES: Final = urllib3.Retry(
    total=6, backoff_factor=1, allowed_methods={"PUT"}, status_forcelist={500, 502, 503, 504}
)


class AnswerNotTakenError(Exception):
    """CloudFormation did not take the answer; Lambda then gives the same request again."""


@dataclass(frozen=True, slots=True)
class StackAnswer:
    """What became of a request: its attributes, or why it failed."""

    data: Mapping[str, str]
    failure: str | None = None

    def send(self, request: Mapping[str, Any]) -> None:
        """Put it where the request says.

        Raises:
            AnswerNotTakenError: it was refused, or nobody answered, for as long as was tried.
        """
        # The URL is signed: whoever has it can answer, so it is in no message.
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
            raise AnswerNotTakenError(type(error).__name__) from None
        if response.status >= 300:  # noqa: PLR2004 – S3's success is 2xx
            raise AnswerNotTakenError(f"status {response.status}")

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
    """Return the beginning and the end of it, in characters of one byte, or two when escaped."""
    plain = "".join(
        character if character == "\n" or " " <= character <= "~" else "?" for character in reason
    )
    if len(plain) <= _REASON_CHARACTERS_AT_MOST:
        return plain
    half = _REASON_CHARACTERS_AT_MOST // 2
    return f"{plain[:half]}\n[...]\n{plain[-half:]}"
