"""The training recipe: learn from what was known before a day, judge, log, and promote or not.

Plain functions: the command line calls `run`, the Prefect flow calls the same steps one by one.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cache
from importlib.metadata import version as installed
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import pyarrow as pa

import models
import pipelines
from models import bundle, durable, figures, looked_at
from models.bundle import Bundle
from models.fitting import NotEnoughHistory
from models.horizons import HORIZONS_DAYS, column
from models.late_payment import LatePaymentModel
from models.metrics import Floats
from models.registry import (
    CHALLENGER,
    CHAMPION,
    NOT_PROMOTED,
    PROMOTED,
    Registered,
    Registry,
    Training,
)
from pipelines import (
    backtest,
    card,
    contest,
    features,
    fingerprint,
    history,
    learned_effects,
    matured_window,
    reading,
    rematch,
    usual_portfolio,
    version_history,
)
from pipelines.contest import Contest, Verdict
from pipelines.features import Peers
from pipelines.job import Job, day_number
from pipelines.learning import USUAL, Learning
from pipelines.ledger import Ledger, rows_of
from pipelines.settings import Settings

STEPS = 5  # that `run` tells of
EXAMPLE_ROWS = 5  # logged with the model, to show what its trees read


@dataclass(frozen=True)
class Trained:
    """What a training run leaves to tell."""

    version: str
    number: str  # in MLflow
    cut_off: date
    promoted: bool
    why: tuple[str, ...]
    figures: dict[str, float]

    def summary(self) -> list[dict[str, object]]:
        """Log-loss and AUC by contender, test and horizon, for a table."""
        rows: dict[tuple[str, str, str], dict[str, object]] = {}
        for name, value in self.figures.items():
            who, test, metric, horizon = name.split(".")
            row = rows.setdefault(
                (test, horizon, who),
                {
                    "test": test,
                    "horizon": horizon,
                    "who": who.replace("_", " "),
                    "rows": 0,
                    "log_loss": None,
                    "auc": None,
                },
            )
            if metric in row:
                row[metric] = int(value) if metric == "rows" else round(value, 4)
        return [rows[key] for key in sorted(rows)]


def run(
    job: Job,
    *,
    tuned: Mapping[str, float] | None = None,
    learning: Learning = USUAL,
    because: Sequence[str] = (),
    tell: Callable[[str], None] = lambda step: None,
) -> Trained:
    """Train on what was known before the day; the model takes over unless it loses to somebody.

    Without parameters of its own it keeps those that the champion was tuned to. What asked for the
    training is logged with it.
    """
    tell("reading the ledger")
    ledger = reading.read(job).ledger
    champion = bundle.champion(job.settings.models_folder)
    if tuned is None:
        tuned = tuned_of(champion)
    tell("learning")
    model = learn(ledger, cut_off=job.as_of, tuned=tuned, learning=learning)
    tell("judging on the last window")
    judged = judge(ledger, cut_off=job.as_of, champion=champion, tuned=tuned, learning=learning)
    verdict = contest.decide(judged)
    tell("logging to MLflow")
    registered = log(job, ledger, model, judged, verdict, because=because)
    tell("promoting")
    promote(job.settings, registered, verdict)
    teach(job, ledger)
    return told(job, registered, judged, verdict)


def learn(
    ledger: Ledger,
    *,
    cut_off: date,
    tuned: Mapping[str, float] | None = None,
    learning: Learning = USUAL,
) -> LatePaymentModel:
    """The model of everything known before the day, and what the portfolio usually looks like."""
    day = day_number(cut_off)
    model = learning.train(ledger, cut_off=day, tuned=tuned)
    usual = usual_portfolio.learn(
        ledger,
        cut_off=day,
        peers=Peers.from_columns(model.peers),
        gains=figures.gains(model.tree_text),
    )
    return replace(model, facts={**model.facts, "usual_portfolio": usual})


def judge(
    ledger: Ledger,
    *,
    cut_off: date,
    champion: Bundle | None = None,
    tuned: Mapping[str, float] | None = None,
    learning: Learning = USUAL,
) -> Contest:
    """What the recipe, the champion and the curve say of the last window whose outcomes are known.

    The recipe is fitted anew on what was known when the window began: the final model has seen it.
    So is that of a champion whose training ended later. Raises NotEnoughHistory, saying how much is
    missing.
    """
    origin = matured_window.begin(cut_off)
    try:
        recipe = learning.train(ledger, cut_off=day_number(origin), tuned=tuned)
    except NotEnoughHistory as short:
        raise history.explained(short, ledger, origin=origin, cut_off=cut_off) from None
    predicted = backtest.predict(ledger, recipe, origin=day_number(origin))
    said = {
        contest.CHALLENGER: matrix(predicted, "p"),
        contest.CURVE: matrix(predicted, "curve_p"),
    }
    notes: tuple[str, ...] = ()
    is_recipe = False
    if champion is not None:
        met = rematch.at_origin(ledger, champion, origin=origin, tuned=tuned, learning=learning)
        notes, is_recipe = (met.note,), met.is_recipe
        champions = predicted
        if met.model is not None:
            champions = backtest.predict(ledger, met.model, origin=day_number(origin))
        said[contest.CHAMPION] = matrix(champions, "p")
    return Contest(
        matured_window.outcomes(ledger, predicted, cut_off=cut_off),
        said,
        np.array(predicted["test"].to_pylist(), dtype=np.str_),
        customers=customers_of(ledger, predicted["invoice_id"]),
        weights=recipe.weights,
        notes=notes,
        champion_is_recipe=is_recipe,
    )


def customers_of(ledger: Ledger, invoice_ids: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """A number for the customer of each invoice."""
    codes = ledger.invoices["customer_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    rows: npt.NDArray[np.int64] = codes[rows_of(invoice_ids, among=ledger.invoices["invoice_id"])]
    return rows


def tuned_of(champion: Bundle | None) -> dict[str, float]:
    """The parameters that tuning has won for the champion; none for the usual ones."""
    return dict(champion.model.facts.get("tuned", {})) if champion is not None else {}


def log(
    job: Job,
    ledger: Ledger,
    model: LatePaymentModel,
    judged: Contest,
    verdict: Verdict,
    *,
    because: Sequence[str] = (),
) -> Registered:
    """Export the model as a bundle, log it with its figures and register it as the challenger."""
    measured = judged.figures()
    explained = looked_at.explained(model)
    drawn = looked_at.kept(explained, judged.reliability())
    fingerprints = {
        "data": fingerprint.of_ledger(ledger),
        "features": features.fingerprint(),
        "code": code_version(),
    }
    with TemporaryDirectory() as temporary:
        files, exported = Path(temporary) / "files", Path(temporary) / "bundle"
        files.mkdir()
        model.save(files)
        version = bundle.version_of(files, cut=job.as_of.isoformat())
        told = card.Told(version, ledger, model, judged, verdict, fingerprints, job.is_invented)
        (files / bundle.CARD).write_text(card.markdown(told), encoding="utf-8")
        (files / bundle.LOOKED_AT).write_text(looked_at.text(drawn), encoding="utf-8")
        bundle.export(
            files,
            to=exported,
            version=version,
            created_at=job.at.isoformat(timespec="seconds"),
            facts={
                "cut_off": job.as_of.isoformat(),
                "fingerprints": fingerprints,
                "metrics": measured,
                "promoted": verdict.promoted,
                "verdict": list(verdict.why),
                "blend_weights": list(model.weights),
            },
        )
        training = Training(
            bundle=exported,
            parameters={
                **model.facts.get("parameters", {}),
                "blend_weights": list(model.weights),
                **_how_learned(model),
            },
            metrics=measured,
            fingerprints=fingerprints,
            example=_example(model),
            figures={
                "reliability": figures.reliability(judged.reliability()),
                "importance": figures.importance(figures.gains(model.tree_text)),
                "shap_summary": figures.shap_summary(explained),
                "shap_dependence": figures.shap_dependence(explained),
            },
            tables={
                "facts": dict(model.facts),
                "verdict": list(verdict.why),
                "trained_because": list(because),
            },
        )
        return registry(job.settings).log_training(training)


def promote(settings: Settings, registered: Registered, verdict: Verdict) -> None:
    """Write the verdict on the version; a winner is loaded once, aliased and then crowned."""
    ours = registry(settings)
    word = PROMOTED if verdict.promoted else NOT_PROMOTED
    ours.note(registered.number, verdict=word, why="; ".join(verdict.why))
    if verdict.promoted:
        folder = ours.fetch(CHALLENGER, to=settings.models_folder)
        bundle.load(folder)
        ours.promote(registered.number)
        bundle.crown(registered.version, among=settings.models_folder)
    _note_versions(settings)


def teach(job: Job, ledger: Ledger) -> learned_effects.Learned | None:
    """What the log of actions teaches of their effects, for the next nights' decisions."""
    return learned_effects.teach(job, ledger, registry=registry(job.settings))


def roll_back(settings: Settings, to: str | None = None) -> Registered:
    """Let the champion before this one, or an earlier one by its name, answer again."""
    ours = registry(settings)
    before = ours.roll_back(to)
    ours.fetch(CHAMPION, to=settings.models_folder)
    bundle.crown(before.version, among=settings.models_folder)
    _note_versions(settings)
    return before


def _note_versions(settings: Settings) -> None:
    """Keep the registry's list where those read it who do not open the registry."""
    durable.make(settings.models_folder)
    versions = registry(settings).versions()
    version_history.write(
        settings.models_folder, [{**asdict(v), "cut_off": v.cut_off} for v in versions]
    )


def told(job: Job, registered: Registered, judged: Contest, verdict: Verdict) -> Trained:
    """What the run has to say, once it has ended."""
    return Trained(
        version=registered.version,
        number=registered.number,
        cut_off=job.as_of,
        promoted=verdict.promoted,
        why=verdict.why,
        figures=judged.figures(),
    )


def registry(settings: Settings) -> Registry:
    """The registry that the settings name."""
    if settings.tracking_uri is None:
        durable.make(settings.home)
    return Registry(
        settings.mlflow_uri, artifact_root=settings.mlflow_artifacts, name=settings.model_name
    )


def _how_learned(model: LatePaymentModel) -> dict[str, object]:
    """The sample that a model was learned from, or the cluster that its trees were grown on."""
    facts = {what: model.facts.get(what, {}) for what in ("sample", "cluster")}
    return {f"{what}_{name}": told for what, of in facts.items() for name, told in of.items()}


@cache  # what runs is what was there when the process began
def code_version() -> str:
    """The version of the package and a hash of the sources that make a model."""
    digest = hashlib.sha256()
    for package in (models, pipelines):
        root = Path(str(package.__file__)).parent
        for path in sorted(root.rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return f"{installed('puntuale')}+{digest.hexdigest()[:10]}"


def matrix(predicted: pa.Table, prefix: str) -> Floats:
    """The probabilities of one answerer, rows by horizons."""
    names = [f"{prefix}{column(days).removeprefix('p')}" for days in HORIZONS_DAYS]
    return np.column_stack([predicted[name].to_numpy() for name in names])


def _example(model: LatePaymentModel) -> dict[str, list[float]]:
    if model.golden is None:
        return {}
    columns: dict[str, list[float]] = model.golden[:EXAMPLE_ROWS].to_pydict()
    return {name: columns[name] for name in model.trees.feature_names}
