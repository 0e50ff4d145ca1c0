"""The model as a page: whether it deserves trust, what it looks at, and what came before it."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.responses import HTMLResponse

from models.bundle import Bundle
from pipelines import night_page, verdict_words, version_history
from pipelines.features import BOOK
from pipelines.snapshot import Snapshot
from serving import phrases, pictures
from serving.model_info import Kept, told
from serving.portfolio import Risks, portfolio_risk
from serving.view import View


def answer(view: View, model: Bundle, kept: Kept, risks: Risks) -> HTMLResponse:
    """What is known of the model that answers, of its nights and of the models before it."""
    drawn = kept.looked_at(model)
    judged = pictures.contenders(model.manifest.facts.get("metrics", {}))
    about = told(view.at_hand, kept, model, view.language)
    settings = view.at_hand.settings
    return view.render(
        "model.html",
        model=about,
        verdict=_sentences(model.manifest.facts.get("verdict", ()), view.language),
        versions=[
            {**version, "told": _sentences([version["why"]], view.language)}
            for version in about["versions"]
        ],
        judged=judged,
        contenders=[who for who in pictures.CONTENDERS if any(who in row["who"] for row in judged)],
        reliability=pictures.reliability(drawn),
        summary=pictures.summary(drawn, view.language),
        dependence=pictures.dependence(drawn, view.language, view.said["currency"]),
        mlflow=settings.mlflow_address and settings.mlflow_address.rstrip("/"),
        registered=version_history.REGISTERED,
        prefect=settings.prefect_address,
        **_of_night(view.snapshot, risks, view.language),
    )


def _sentences(kept: Sequence[str], language: str) -> dict[str, Any]:
    """The sentences of a verdict in a language; as they were kept where one is not known."""
    found = [verdict_words.told(sentence, language) for sentence in kept]
    if any(each is None for each in found):
        return {"language": "en", "lines": list(kept)}
    return {"language": language, "lines": [line for each in found for line in each or ()]}


def _of_night(snapshot: Snapshot | None, risks: Risks, language: str) -> dict[str, Any]:
    """What last night found of the model, and what drives the portfolio that it sees."""
    if snapshot is None:
        return {"health": None, "risk": None}
    health = snapshot.manifest["facts"].get("health")
    words = night_page.words_of(language)
    return {
        "health": health and {**health, "findings": _findings(health, words, language)},
        "risk": portfolio_risk(snapshot, risks, language),
    }


def _findings(
    health: Mapping[str, Any], words: Mapping[str, Any], language: str
) -> list[dict[str, Any]]:
    return [
        {
            **finding,
            "text": words["findings"].get(finding["code"], finding["code"]),
            "severity_text": words["severities"].get(finding["severity"], finding["severity"]),
            "about_text": _about(finding["about"], language),
        }
        for finding in health["findings"]
    ]


def _about(what: str, language: str) -> str:
    """The feature or the horizon that a finding is about, in words."""
    if what in BOOK:
        return pictures.feature_label(what, language)
    return phrases.begun(phrases.word("probabilities", what, language)) if what else ""
