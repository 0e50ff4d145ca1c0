"""GET /healthz and /readyz: whether the process lives, and whether it can do its work."""

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import Field

from serving.answers import Answer, JsonAnswer
from serving.at_hand import AtHand
from serving.problems import Problem, declared


class Live(Answer):
    """The process answers."""

    status: Literal["live"] = "live"


class Ready(Answer):
    """The service can score, and has or has not last night's scores."""

    status: Literal["ready"] = "ready"
    model_version: str
    scores_as_of: str | None
    stale: bool
    away: list[Literal["model", "records", "scores"]] = Field(
        description="parts that do not answer, or answer with the last good of theirs"
    )


def routes(at_hand: AtHand) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/healthz", summary="Is the process alive?", response_model=Live)
    async def healthz() -> dict[str, Any]:
        """Always, while it answers; needs no key."""
        return {"status": "live"}

    @router.get(
        "/readyz",
        summary="Can it score?",
        response_model=Ready,
        response_class=JsonAnswer,
        responses=declared(503),
    )
    async def readyz() -> JsonAnswer:
        """503 with the reason while no model is loaded; stored scores are served all the same."""
        return JsonAnswer(ready(at_hand))

    return router


def ready(at_hand: AtHand) -> dict[str, Any]:
    """What answers; Problem (503) while no model is loaded."""
    if at_hand.model is None:
        away = ", ".join(at_hand.parts_away())
        raise Problem("no-model", f"{at_hand.model_missing} Away: {away}.")
    snapshot = at_hand.snapshot()
    return {
        "status": "ready",
        "model_version": at_hand.model.version,
        "scores_as_of": snapshot and snapshot.as_of,
        "stale": at_hand.is_model_stale or (snapshot is not None and at_hand.is_stale(snapshot)),
        "away": at_hand.parts_away(),
    }
