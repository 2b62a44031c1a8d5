"""The number of Custom Model Units that one copy of a model needs."""

from __future__ import annotations

VERSION = "v1.0"
GPT_OSS_VERSION = "v2.0"

# Parameters below → units of one copy. Anchors: Llama 3.1 8B takes 2 and 70B takes 8 (Bedrock's
# pricing page), Qwen3-4B takes 1 (measured 2026-09-24). The steps between them are interpolated.
_UNITS_BELOW = ((6e9, 1), (20e9, 2), (50e9, 4))
_UNITS_BEYOND = 8


def custom_model_units(model_type: str, parameters: int) -> dict[str, int | str]:
    """Return the `customModelUnits` of GetImportedModel for an architecture and its size."""
    units = next((units for below, units in _UNITS_BELOW if parameters < below), _UNITS_BEYOND)
    return {
        "customModelUnitsPerModelCopy": units,
        "customModelUnitsVersion": GPT_OSS_VERSION if model_type == "gpt_oss" else VERSION,
    }
