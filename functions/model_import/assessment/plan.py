"""The plan of an import, which the state machine passes from state to state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from model_import.forecast.estimate import Forecast
from model_import.preflight.verdict import ModelFigures
from model_import.request.wanted_import import WantedImport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model_import.request.input import ImportRequest
    from model_import.sources.hub.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Plan:
    """An import before it starts; `prompt` and `expect` are for the smoke test.

    `tags` are for the import job, the model and the staged objects; the import's own come last.
    """

    wanted: WantedImport
    revision: str
    tags: dict[str, str]
    prompt: str | None
    expect: str | None
    figures: ModelFigures
    forecast: Forecast

    @classmethod
    def of(
        cls,
        request: ImportRequest,
        snapshot: Snapshot,
        wanted: WantedImport,
        figures: ModelFigures,
        forecast: Forecast,
    ) -> Self:
        """Return the plan of a request."""
        return cls(
            wanted=wanted,
            revision=snapshot.revision,
            tags=request.tags | wanted.tags,
            prompt=request.prompt,
            expect=request.expect,
            figures=figures,
            forecast=forecast,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object; its tags are in the format of the AWS SDK integration."""
        return {
            "repo_id": self.wanted.repo_id,
            "revision": self.revision,
            "commit": self.wanted.commit,
            "model_name": self.wanted.model_name,
            "model_name_given": self.wanted.name_given,
            "tags": [{"Key": key, "Value": value} for key, value in self.tags.items()],
            "normalise": self.wanted.normalise,
            "smoke_test": {"prompt": self.prompt, "expect": self.expect},
            "figures": self.figures.to_dict(),
            "forecast": self.forecast.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON object that `to_dict` wrote; unknown fields are ignored."""
        return cls(
            wanted=WantedImport(
                repo_id=data["repo_id"],
                commit=data["commit"],
                normalise=data["normalise"],
                model_name=data["model_name"],
                name_given=data["model_name_given"],
            ),
            revision=data["revision"],
            tags={tag["Key"]: tag["Value"] for tag in data["tags"]},
            prompt=data["smoke_test"]["prompt"],
            expect=data["smoke_test"]["expect"],
            figures=ModelFigures.from_dict(data["figures"]),
            forecast=Forecast.from_dict(data["forecast"]),
        )
