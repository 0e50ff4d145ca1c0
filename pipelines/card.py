"""The model card: what a model was made of, how good it is, and what it must not be used for.

Markdown made from the run alone, the same text for the same ledger and the same verdict.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow.compute as pc

from models.horizons import HORIZONS_DAYS, column
from models.late_payment import LatePaymentModel
from models.registry import libraries
from pipelines import matured_window
from pipelines.contest import Contest, Verdict
from pipelines.ledger import Ledger

METRICS = {
    "log_loss": "log-loss",
    "brier": "Brier",
    "auc": "AUC",
    "calibration_error": "calibration error",
}

USE = """\
It says, for each open invoice of a company's ledger, how probable it is that it is still unpaid 0,
30, 60, 90 and 180 days after its business due date, and on which day it may be expected. Meant for
people who collect receivables and plan cash.

**It must not be used**
- to decide anything adverse about a natural person (sole traders too) without a person who decides:
  GDPR art. 22 and AI Act Annex III 5(b). Lower limits, blocked orders, agencies and legal steps are
  proposed with their reasons, never carried out by the model;
- to score consumers' creditworthiness, or customers of another company's ledger: it has learned
  this ledger's customers and habits;
- as a statement on why a customer pays late: reasons say what the model looked at, not causes."""

LIMITS = """\
- What the ledger does not tell the model does not know: strikes, new owners, a bank's refusal.
- New customers are judged by their peers; `history_level` says so in every answer.
- Rates drift: the nightly run compares what was said with what came, and advises training again.
- Beyond the longest horizon only the mass is told, not a date.
- Actions influence outcomes: the probabilities are of invoices handled as they were so far."""


@dataclass(frozen=True)
class Told:
    """What a card is made from."""

    version: str
    ledger: Ledger
    model: LatePaymentModel
    judged: Contest
    verdict: Verdict
    fingerprints: Mapping[str, str]
    is_invented: bool


def markdown(told: Told) -> str:
    """The card."""
    parts = {
        f"Model {told.version}": _opening(told),
        "What it is for, and what not": USE,
        "Data": _data(told),
        "How it was made and judged": _protocol(told),
        "Figures": _figures(told.judged),
        "Calibration": _calibration(told.judged),
        "Limits": LIMITS,
        "How it was promoted": _promotion(told.verdict),
    }
    first, *others = parts.items()
    text = [f"# {first[0]}\n\n{first[1]}", *(f"## {title}\n\n{body}" for title, body in others)]
    return "\n\n".join(text) + "\n"


def _opening(told: Told) -> str:
    near, far = told.model.weights
    blend = (
        f"Boosted trees, averaged with the customer's own payment curve: the trees' weight is "
        f"{near:g} up to 30 days past due and {far:g} from 90 on."
    )
    if not near and not far:
        blend = "The trees have earned no weight: the customer's own payment curve answers."
    invented = "\n\n**It has learned from an invented ledger.**" if told.is_invented else ""
    return f"{blend} It knows what was known before {told.model.facts['cut_off']}.{invented}"


def _data(told: Told) -> str:
    ledger, facts = told.ledger, told.model.facts
    due = pc.min_max(ledger.invoices["due_date"]).as_py()
    rows = [
        ("customers", f"{ledger.customers.num_rows:,}"),
        ("invoices", f"{ledger.invoices.num_rows:,}, due from {due['min']} to {due['max']}"),
        ("payments", f"{ledger.payments.num_rows:,}"),
        ("training snapshots", f"{facts['snapshots']:,}"),
        ("matured labels", f"{facts['labels']:,}"),
        *((f"fingerprint of the {name}", f"`{mark}`") for name, mark in told.fingerprints.items()),
        ("made with", ", ".join(f"{name} {version}" for name, version in libraries().items())),
    ]
    if sample := facts.get("sample"):
        least, most = sample["weights"]
        drawn = (
            f"{sample['customers']:,} of {sample['of_customers']:,} (share {sample['share']:g}), "
            f"weighed by their chances: each counts for {least:.3g} to {most:.3g}"
        )
        rows.insert(1, ("customers learned from", drawn))
    if cluster := facts.get("cluster"):
        grown = f"{cluster['workers']} workers, in {cluster['buckets']} buckets of customers"
        rows.append(("trees grown on", f"a Dask cluster of {grown}"))
    return _table(("what", "how much"), rows)


def _protocol(told: Told) -> str:
    parameters = ", ".join(f"{k} {v}" for k, v in sorted(told.model.facts["parameters"].items()))
    tuned = "found by tuning" if told.model.facts.get("tuned") else "the usual ones"
    return (
        "Nothing is learned or said from what was not yet known on its day. Labels have matured: "
        "whether an invoice was still open on a day counts only once that day has passed, paid or "
        "not. Lateness counts from the business due date.\n\n"
        f"Judged on a window that begins {matured_window.DAYS} days before the cut-off, by the "
        "same recipe trained on what was known when it began: on the day of issue of each new "
        "invoice, and on all that was open. The other contenders are the customer's own curve and "
        "the champion, or its recipe where the champion itself has seen the window. Intervals are "
        "over customers.\n\n"
        f"Parameters ({tuned}): {parameters}."
    )


def _figures(judged: Contest) -> str:
    measured = judged.figures()
    found = sorted({tuple(name.split(".")[i] for i in (1, 3, 0)) for name in measured})
    rows = []
    for test, horizon, who in found:
        values = [measured.get(f"{who}.{test}.{metric}.{horizon}") for metric in METRICS]
        count = int(measured[f"{who}.{test}.rows.{horizon}"])
        name = who.replace("_", " ")
        rows.append((test, horizon, name, f"{count:,}", *(_number(value) for value in values)))
    return _table(("test", "horizon", "who", "rows", *METRICS.values()), rows)


def _calibration(judged: Contest) -> str:
    rows = [
        (horizon, f"{group.rows:,}", _number(group.predicted), _number(group.observed))
        for horizon, groups in judged.reliability().items()
        for group in groups
    ]
    if not rows:
        names = ", ".join(map(column, HORIZONS_DAYS))
        return f"No outcome of {names} has matured."
    return _table(("horizon", "rows", "said", "came"), rows)


def _promotion(verdict: Verdict) -> str:
    word = "It became the champion." if verdict.promoted else "It was not promoted."
    return "\n".join([word, "", *(f"- {reason}" for reason in verdict.why)])


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
