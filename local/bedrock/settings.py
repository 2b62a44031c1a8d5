"""How the local Bedrock behaves where the real one takes time, runs cold or is not documented."""

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
        polls: The GetModelImportJob call, counted from 1, that sees the end of an import job.
        import_seconds: A job ends after this time too, however seldom it is polled.
        role_not_ready_times: How many CreateModelImportJob calls find the role not yet known, as
            they do for a role that IAM has not propagated.
        cold_starts: How many invocations of a cold model answer ModelNotReadyException.
        idle_seconds: A model that was not invoked for longer is cold again.
        held_weights_bytes_at_most: A larger model is imported and checked, but not held, so that
            it cannot answer.
        converse_model_types: Which architectures have Converse, given a chat template. The user
            guide excludes Qwen2.5, Qwen2-VL, Qwen2.5-VL, Qwen3 and GPT-OSS (2026-10-05); one
            import of a Llama was seen to refuse it too (2026-09-20), so leave `llama` out to
            rehearse that.
        quotas: The account's own figures, by quota code; the default counts for the others.
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
