"""Why a probability is what it is: points by cause that add up to it, and their sentences."""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models import unknown, wording
from models.wording import Wording

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

EVERYTHING_ELSE = "everything_else"
REASONS_SHOWN = 5  # what a person reads; the rest is one line

# What each cause is called; the features' own sentences are declared with the features.
CAUSES = {
    cause: Wording(cause, "number", it, en)
    for cause, it, en in (
        ("delay_level", "i ritardi passati", "past delays"),
        ("delay_trend", "l'andamento dei ritardi", "the trend of the delays"),
        ("payment_rhythm", "il ritmo dei pagamenti", "the rhythm of the payments"),
        ("invoiced_vs_paid", "il fatturato non incassato", "what is invoiced and not paid"),
        ("exposure", "l'esposizione", "the exposure"),
        ("this_invoice", "le caratteristiche di questa fattura", "the terms of this invoice"),
        ("peers", "i clienti simili", "similar customers"),
        ("activity", "l'attività del cliente", "the customer's activity"),
        ("customer_record", "lo storico di questo cliente", "this customer's own record"),
        ("time", "il tempo dalla scadenza", "the time since the due date"),
        (EVERYTHING_ELSE, "tutto il resto", "everything else"),
    )
}

# The causes that the model adds to the features' own. The record's value and usual value are the
# probability that the customer's curve and that of similar customers give; the time's are today and
# the day asked about, in days from the due date.
MODEL_WORDINGS = {
    "customer_record": Wording(
        "customer_record",
        "share",
        it="a giudicare dai soli pagamenti di questo cliente la probabilità sarebbe {value}"
        " (clienti simili: {usual})",
        en="judging by this customer's own payments alone the probability would be {value}"
        " (similar customers: {usual})",
    ),
    "time": Wording(
        "time",
        "days_late",
        it="oggi siamo {value} (si guarda fino a: {usual})",
        en="today is {value} (looking ahead to: {usual})",
    ),
}
# In their place where the two values are said alike, or the day asked about has already passed.
_AS_SIMILAR_CUSTOMERS = Wording(
    "customer_record",
    "share",
    it="questo cliente paga come i clienti simili, per i quali la probabilità è {value}",
    en="this customer pays as similar customers do, for whom the probability is {value}",
)
_ALREADY_LATER = Wording(
    "time",
    "days",
    it="dalla scadenza sono già passati {value}, più di quelli su cui si fanno previsioni",
    en="{value} have already passed since the due date, more than are predicted",
)


class ByCause(NamedTuple):
    """Contributions summed by cause, and for each the column that carries most of it."""

    causes: tuple[str, ...]
    contributions: Floats
    leading: Places


class Top(NamedTuple):
    """For each row the causes that move it most, -1 where there are no more, and what is left."""

    causes: Places
    points: Floats
    everything_else: Floats


def by_cause(contributions: Floats, causes: Sequence[str]) -> ByCause:
    """The contributions of columns that a person would call one cause, added up.

    `causes` names the cause of each column. The leading column is the one that pushes hardest in
    the direction of its cause's sum.
    """
    columns_of = _columns_of(tuple(causes))
    sums = np.zeros((len(contributions), len(columns_of)))
    leading = np.zeros((len(contributions), len(columns_of)), np.int64)
    for at, columns in enumerate(columns_of.values()):
        part = contributions.take(columns, axis=1)
        total = sums[:, at] = _row_sums(part)
        toward = np.where(total[:, None] < 0, -part, part)
        leading[:, at] = columns[toward.argmax(axis=1)]
    return ByCause(tuple(columns_of), sums, leading)


@cache
def _columns_of(causes: tuple[str, ...]) -> Mapping[str, Places]:
    """The places of each cause's columns, the causes in the order in which they come first."""
    names = np.array(causes)
    return {name: np.flatnonzero(names == name) for name in dict.fromkeys(causes)}


def points(base_logit: float, contributions: Floats, p: Floats) -> tuple[float, Floats]:
    """The base probability, and each contribution as the share of p - base that it accounts for.

    A contribution on the logit scale is multiplied by the mean slope of the logistic curve between
    the base and p, the same for all: signs and proportions stay. Base and points add up to p
    within 1e-12. What p has beyond the contributions (rounding, a curve made never to rise) is
    shared out in proportion to the points' sizes.
    """
    base = _sigmoid(np.array([base_logit]))[0]
    rise = _row_sums(contributions)
    reached = _sigmoid(base_logit + rise)
    middle = _sigmoid(base_logit + rise / 2)
    near = (
        np.abs(rise) < 1e-6
    )  # the difference would be lost in rounding: the slope is the curve's own
    slope = np.where(near, middle * (1 - middle), (reached - base) / np.where(near, 1.0, rise))
    shares = contributions * slope[:, None]

    for _ in range(2):  # the second time for the rounding of the first
        left = p - base - _row_sums(shares)
        sizes = np.abs(shares)
        total = _row_sums(sizes)[:, None]
        equal = np.full_like(sizes, 1.0 / max(sizes.shape[1], 1))
        weights = np.divide(sizes, total, out=equal, where=total > 0)
        shares = shares + left[:, None] * weights
    return float(base), shares


def top(base: float, shares: Floats, p: Floats, *, shown: int = REASONS_SHOWN) -> Top:
    """The causes with the largest points, and the rest as one number; with the base they are p.

    Equal points keep the order of the columns; a cause without points is not a reason.
    """
    shown = min(shown, shares.shape[1])
    order = np.argsort(-np.abs(shares), axis=1, kind="stable")[:, :shown]
    chosen = np.take_along_axis(shares, order, axis=1)
    rest = p - base
    for at in range(shown):
        rest = rest - chosen[:, at]
    return Top(np.where(chosen == 0, -1, order), chosen, rest)


def _row_sums(values: Floats) -> Floats:
    """Each row's sum, column after column: its bits do not depend on the rows beside it."""
    if not values.shape[1]:
        return np.zeros(len(values))
    total: Floats = np.add.accumulate(values, axis=1)[:, -1] + 0.0  # minus zero is zero
    return total


def _sigmoid(logits: Floats) -> Floats:
    small = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1 / (1 + small), small / (1 + small))


def sentence(
    cause: str,
    feature: str | None,
    *,
    value: float,
    usual: float,
    points: float,
    wordings: Mapping[str, Wording],
    language: str,
    currency: str = "EUR",
) -> str:
    """One reason in words: what was seen, what is usual, and by how many points it moves p.

    `wordings` holds the features' sentences by name. A feature without one is told by the name of
    its cause; one whose value is missing, by what that means.
    """
    worded = MODEL_WORDINGS.get(cause) or (wordings.get(feature) if feature else None)
    name = CAUSES.get(cause, CAUSES[EVERYTHING_ELSE]).in_language(language)
    if worded is None:
        said = name
    elif not math.isfinite(value):
        said = unknown.sentence(cause, name, feature, language)
    else:
        said = _filled(worded, value, usual, language, currency)
    return f"{said}: {wording.points(points, language)}"


def _filled(worded: Wording, value: float, usual: float, language: str, currency: str) -> str:
    def quantity(of: float, unit: str = worded.unit) -> str:
        return wording.quantity(of, unit, language, currency=currency)

    if worded.cause == "time" and value > usual:
        worded = _ALREADY_LATER
    if worded.cause == "customer_record" and quantity(value) == quantity(usual):
        worded = _AS_SIMILAR_CUSTOMERS
    said = wording.fill(
        worded.in_language(language),
        value=quantity(value, worded.unit),
        usual=quantity(usual, worded.unit) if math.isfinite(usual) else None,
    )
    return wording.elided(said, language)
