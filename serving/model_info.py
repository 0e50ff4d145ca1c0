"""GET /v1/model: what answers, what it was trained on and how good it was."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from models.horizons import ALL_HORIZONS_DAYS
from serving.answers import Answer, JsonAnswer
from serving.at_hand import AtHand
from serving.problems import EVERY_ROUTE, Problem, declared
from serving.strict_requests import StrictRoute


class ModelInfo(Answer):
    """The model that answers."""

    version: str = Field(examples=["2026-06-30-1f0c9a7b2d"])
    created_at: str
    horizons_days: list[int]
    facts: dict[str, Any] = Field(
        description="what training wrote down: cut-off, metrics, blend weight, fingerprints"
    )
    files: dict[str, str] = Field(description="sha256 of each file of the model")
    loaded_at: datetime | None


def routes(at_hand: AtHand) -> APIRouter:
    router = APIRouter(tags=["model"], route_class=StrictRoute)

    @router.get(
        "/v1/model",
        summary="The model that answers",
        response_model=ModelInfo,
        response_class=JsonAnswer,
        responses=declared(*EVERY_ROUTE),
    )
    async def get_model() -> JsonAnswer:
        """Its version, its training cut-off, its measured quality and the hashes of its files."""
        if at_hand.model is None:
            raise Problem("no-model", at_hand.model_missing)
        manifest = at_hand.model.manifest
        return JsonAnswer(
            {
                "version": manifest.version,
                "created_at": manifest.created_at,
                "horizons_days": list(ALL_HORIZONS_DAYS),
                "facts": dict(manifest.facts),
                "files": dict(manifest.files),
                "loaded_at": at_hand.loaded_at,
            }
        )

    return router
