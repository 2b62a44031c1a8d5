"""Settings of the local Bedrock where the real one takes time, runs cold or is not documented."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MEBIBYTE = 1024 * 1024


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class BedrockSettings:
    """The behaviour of one local Bedrock; the defaults suit a run that a person watches.

    Attributes:
        polls: The number of the GetModelImportJob call, from 1, that returns the end of a job.
        import_seconds: A job also ends after this time, even if it is polled less often.
        role_not_ready_times: The number of CreateModelImportJob calls that fail because IAM has
            not yet propagated the role.
        cold_starts: The number of invocations of a cold model that get ModelNotReadyException.
        idle_seconds: A model that has not been invoked for longer is cold again.
        held_weights_bytes_at_most: A larger model is imported and checked, but not kept, so that
            it cannot answer.
        converse_model_types: The architectures that support Converse if they have a chat template.
            The user guide excludes Qwen2.5, Qwen2-VL, Qwen2.5-VL, Qwen3 and GPT-OSS (2026-10-05).
            One imported Llama also refused it (2026-09-20); leave `llama` out to simulate that.
        quotas: The account's applied values, by quota code; the others have their defaults.
        clock: Returns the time, with its zone.
    """

    polls: int = 3
    import_seconds: float = 30
    role_not_ready_times: int = 0
    cold_starts: int = 2
    idle_seconds: float = 300
    held_weights_bytes_at_most: int = 512 * MEBIBYTE
    converse_model_types: frozenset[str] = frozenset(
        {"llama", "mistral", "mixtral", "t5", "gpt_bigcode"}
    )
    quotas: Mapping[str, int] = MappingProxyType({})
    clock: Callable[[], datetime] = utc_now
