"""GET /v1/model, /calibration, /card: what answers, how good it was, and which came before."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from models import bundle, looked_at
from models.bundle import SHARED_PRIOR, Bundle, BundleRefused
from models.horizons import ALL_HORIZONS_DAYS
from models.looked_at import LookedAt
from models.metrics import Bin
from pipelines import version_history
from serving.answers import Answer, JsonAnswer, ModelSource
from serving.at_hand import AtHand
from serving.invoices import InLanguage
from serving.pictures import summary
from serving.problems import EVERY_ROUTE, Problem, declared
from serving.strict_requests import StrictRoute

NOTHING_KEPT = LookedAt((), {})


class LooksAt(Answer):
    """One of the facts that move the model most."""

    feature: str = Field(examples=["delay_mean_365"])
    text: str = Field(examples=["Pays on average … over the last 365 days"])
    odds: float = Field(description="by how much it multiplies or divides the odds, on average")
    direction: str = Field(description="with higher values: later, sooner, or it depends")


class Group(Answer):
    """Invoices with about the same probability: what was said of them and what came."""

    rows: int
    predicted: float
    observed: float


class ModelVersion(Answer):
    """A model that was trained, and what was decided about it."""

    version: str
    number: str = Field(description="in MLflow")
    cut_off: str
    aliases: list[str]
    verdict: str = Field(examples=["promoted"])
    why: str
    answers: bool = Field(description="whether it is the one that answers now")


class ModelInfo(Answer):
    """The model that answers."""

    version: str = Field(examples=["2026-06-30-1f0c9a7b2d"])
    model_source: ModelSource
    created_at: str
    horizons_days: list[int]
    facts: dict[str, Any] = Field(
        description="what training wrote down: cut-off, metrics, blend weight, fingerprints"
    )
    files: dict[str, str] = Field(description="sha256 of each file of the model")
    loaded_at: datetime | None
    looks_at: list[LooksAt] = Field(description="the facts that move it most, the first most")
    reliability: dict[str, list[Group]] = Field(description="by horizon, on the last window")
    versions: list[ModelVersion] = Field(description="the newest first")
    card: str | None = Field(description="data, figures, limits and uses, as Markdown")


class Calibration(Answer):
    """What was said of groups of invoices, and what came of them, by horizon."""

    version: str = Field(examples=["2026-06-30-1f0c9a7b2d"])
    cut_off: str | None = Field(description="the model learned from what was known before it")
    reliability: dict[str, list[Group]] = Field(description="by horizon, on the last window")
    mean_gap: dict[str, float | None] = Field(
        description="by horizon, how far what was said lies from what came, weighted by rows"
    )


class Card(Answer):
    """The model's card: data, figures, limits and uses."""

    version: str = Field(examples=["2026-06-30-1f0c9a7b2d"])
    card: str = Field(description="Markdown")


class Kept:
    """What is kept of the model that answers beside what answers, read once for each model."""

    def __init__(self, at_hand: AtHand) -> None:
        self._folder = at_hand.settings.models_folder
        self._shared = at_hand.settings.prior_models or self._folder
        self._known: tuple[str, LookedAt, str | None] | None = None

    def looked_at(self, model: Bundle) -> LookedAt:
        return self._of(model)[1]

    def card(self, model: Bundle) -> str | None:
        return self._of(model)[2]

    def versions(self, model: Bundle) -> list[dict[str, Any]]:
        """The history as training noted it last."""
        noted = version_history.read(self._folder)
        newest = next((v["number"] for v in noted if v["version"] == model.version), None)
        return [{**version, "answers": version["number"] == newest} for version in noted]

    def _of(self, model: Bundle) -> tuple[str, LookedAt, str | None]:
        if self._known is None or self._known[0] != model.version:
            among = self._shared if model.source == SHARED_PRIOR else self._folder
            folder = among / model.version
            try:
                kept, card = bundle.looked_at(folder), bundle.card(folder)
            except BundleRefused:  # the model in memory was checked; its folder may be gone since
                kept = card = None
            drawn = looked_at.parse(kept) if kept else NOTHING_KEPT
            self._known = model.version, drawn, card
        return self._known


def told(at_hand: AtHand, kept: Kept, model: Bundle, language: str) -> dict[str, Any]:
    """The answer about a model."""
    manifest, drawn = model.manifest, kept.looked_at(model)
    return {
        "version": manifest.version,
        "model_source": model.source,
        "created_at": manifest.created_at,
        "horizons_days": list(ALL_HORIZONS_DAYS),
        "facts": dict(manifest.facts),
        "files": dict(manifest.files),
        "loaded_at": at_hand.loaded_at,
        "looks_at": [_without_dots(column) for column in summary(drawn, language)],
        "reliability": {
            name: [asdict(group) for group in groups] for name, groups in drawn.reliability.items()
        },
        "versions": kept.versions(model),
        "card": kept.card(model),
    }


def calibration(kept: Kept, model: Bundle) -> dict[str, Any]:
    """The answer about how true a model's probabilities were."""
    reliability = kept.looked_at(model).reliability
    return {
        "version": model.manifest.version,
        "cut_off": model.manifest.facts.get("cut_off"),
        "reliability": {
            name: [asdict(group) for group in groups] for name, groups in reliability.items()
        },
        "mean_gap": {name: _mean_gap(groups) for name, groups in reliability.items()},
    }


def _mean_gap(groups: Sequence[Bin]) -> float | None:
    rows = sum(group.rows for group in groups)
    if not rows:
        return None
    return sum(group.rows * abs(group.predicted - group.observed) for group in groups) / rows


def _without_dots(column: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in column.items() if name != "dots"}


def routes(at_hand: AtHand) -> APIRouter:
    router = APIRouter(tags=["model"], route_class=StrictRoute)
    kept = Kept(at_hand)

    @router.get(
        "/v1/model",
        summary="The model that answers",
        response_model=ModelInfo,
        response_class=JsonAnswer,
        responses=declared(*EVERY_ROUTE),
    )
    async def get_model(lang: InLanguage = None) -> JsonAnswer:
        """Its version, cut-off and quality, what it looks at, and the models before it."""
        language = at_hand.said_in(lang)["language"]
        return JsonAnswer(told(at_hand, kept, at_hand.champion(), language))

    @router.get(
        "/v1/model/calibration",
        summary="How true its probabilities were",
        response_model=Calibration,
        response_class=JsonAnswer,
        responses=declared(*EVERY_ROUTE),
    )
    async def get_calibration() -> JsonAnswer:
        """On invoices that came after what the model learned from."""
        return JsonAnswer(calibration(kept, at_hand.champion()))

    @router.get(
        "/v1/model/card",
        summary="The model card",
        response_model=Card,
        response_class=JsonAnswer,
        responses=declared(*EVERY_ROUTE),
    )
    async def get_card() -> JsonAnswer:
        """What the model is for, what it is not for, and how good it was."""
        model = at_hand.champion()
        card = kept.card(model)
        if card is None:
            raise Problem("not-found", "This model was kept without a card.")
        return JsonAnswer({"version": model.manifest.version, "card": card})

    return router
