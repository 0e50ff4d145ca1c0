"""The training set: landmark snapshots of invoices beside their matured labels.

Days are drawn without a look at how an invoice ends, and kept where it was open: on its issue,
and at random before, after and long after it is due. (Drawn uniformly over each invoice's life
they would show the quickly paid as often as the slow, and bias every probability down.)
"""

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models import cohorts
from models.cohorts import Cohorts
from models.fitting import NotEnoughHistory, TrainingRows
from models.horizons import ALL_HORIZONS_DAYS
from pipelines import labels, landmarks
from pipelines.features import Peers
from pipelines.ledger import Ledger

Days = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]
Seeds = npt.NDArray[np.uint64]

WARM_UP_DAYS = 45  # a ledger's first weeks show its customers without their past
KNOT_DAYS = 14  # how often the cohorts' hazards are learned anew
# From, to (days after issue or due), and how many days are drawn.
BEFORE_DUE, AFTER_DUE, OVERDUE, LONG_OVERDUE = 1, 1, 2, 1
MOST_SNAPSHOTS = 400_000  # beyond, invoices are sampled


@dataclass(frozen=True)
class Dataset:
    """What a model is fitted on, and the tables that go with it."""

    rows: TrainingRows
    cohorts: Cohorts
    peers: Peers


@dataclass(frozen=True)
class Questions:
    """Snapshots, and of each some days ahead on which the invoice was, or was not, still open."""

    invoice: Rows  # of each snapshot
    as_of: Days
    row: Rows  # the snapshot of each label
    days_ahead: Days
    still_open: npt.NDArray[np.bool_]


def build(
    ledger: Ledger,
    *,
    cut_off: int,
    seed: int = 0,
    peers: Peers | None = None,
    cohorts_known: Cohorts | None = None,
) -> Dataset:
    """Snapshots and labels from what was known before the cut-off (days since 1970-01-01).

    Peers and cohorts are this ledger's own, or those of the whole that it is a part of. The draw
    depends on each invoice's id and the seed alone. Raises NotEnoughHistory.
    """
    prepared = landmarks.prepare(ledger.known_before(cut_off))
    learned = cohorts_known or learn_cohorts(prepared, cut_off=cut_off)
    if peers is None:
        peers = Peers.build(prepared.ledger, prepared.settlement, known_until=cut_off)
    watched = learned.observed_from
    asked = questions(prepared, cut_off=cut_off, seed=seed, watched_from=watched)
    return Dataset(answered(prepared, asked, peers=peers), learned, peers)


def questions(
    prepared: landmarks.Prepared, *, cut_off: int, seed: int = 0, watched_from: int | None = None
) -> Questions:
    """What is asked about, with the answers that had matured before the cut-off."""
    invoice, as_of = draw(prepared, cut_off=cut_off, seed=seed, watched_from=watched_from)
    row, days_ahead = _questions(prepared, invoice, as_of, seed=seed)
    target = (as_of[row] + days_ahead).astype(np.int32)
    keep = (days_ahead >= 0) & labels.is_matured(target, cut_off=cut_off)
    row, days_ahead, target = row[keep], days_ahead[keep], target[keep]
    still_open = labels.still_open(prepared.settlement, invoice[row], target)
    return Questions(invoice, as_of, row, days_ahead, still_open)


def answered(prepared: landmarks.Prepared, asked: Questions, *, peers: Peers) -> TrainingRows:
    """The questions with all that the model may look at."""
    return TrainingRows(
        snapshots=landmarks.take(prepared, asked.invoice, asked.as_of, peers=peers),
        customer=prepared.settlement.customer[asked.invoice],
        row=asked.row,
        days_ahead=asked.days_ahead,
        still_open=asked.still_open,
    )


def observed_from(prepared: landmarks.Prepared) -> int:
    """The day from which the ledger shows payments: before it, nothing was watched.

    A thousandth of them may be older: a stray one does not make a history.
    """
    return first_watched(prepared.settlement.movements.known_day)


def first_watched(known_day: Days) -> int:
    """`observed_from` of the days on which movements became known."""
    if not len(known_day):
        raise NotEnoughHistory("training needs payments, got: a ledger without any")
    oldest = len(known_day) // 1000
    return int(np.partition(known_day, oldest)[oldest])


def learn_cohorts(prepared: landmarks.Prepared, *, cut_off: int) -> Cohorts:
    """The cohorts' hazards, every other week from the ledger's first weeks to the cut-off."""
    begin = observed_from(prepared)
    return cohorts.learn(
        prepared.records,
        prepared.cohort_names,
        prepared.cohort[prepared.record_invoice],
        known_on=knots(begin, cut_off=cut_off),
        observed_from=begin,
    )


def knots(observed_from: int, *, cut_off: int) -> Days:
    """The days as of which the cohorts' hazards are learned."""
    days = np.arange(observed_from + WARM_UP_DAYS, cut_off, KNOT_DAYS)
    return np.append(days, cut_off).astype(np.int32)


def draw(
    prepared: landmarks.Prepared, *, cut_off: int, seed: int, watched_from: int | None = None
) -> tuple[Rows, Days]:
    """(invoice, day) pairs on which the invoice was open, sorted by customer and day."""
    settlement = prepared.settlement
    eligible = np.flatnonzero(labels.is_labelled(settlement))
    ids = prepared.ledger.invoices["invoice_id"].to_pylist()
    seeds = _seeds([ids[i] for i in eligible.tolist()], seed)
    draws = 1 + BEFORE_DUE + AFTER_DUE + OVERDUE + LONG_OVERDUE
    if (share := MOST_SNAPSHOTS / max(len(eligible) * draws / 2, 1)) < 1:
        sampled = _uniform(seeds, 99) < share
        eligible, seeds = eligible[sampled], seeds[sampled]

    issue, due = settlement.issue_day[eligible], settlement.due_day[eligible]
    if watched_from is None:
        watched_from = observed_from(prepared)
    begin = max(watched_from + WARM_UP_DAYS, 0)
    days = [issue]
    windows = (
        (issue, due, BEFORE_DUE),
        (due, due + 30, AFTER_DUE),
        (due + 30, due + 120, OVERDUE),
        (due + 120, due + 365, LONG_OVERDUE),
    )
    for low, high, times in windows:
        for _ in range(times):
            u = _uniform(seeds, len(days))
            days.append((low + np.floor(u * (high - low))).astype(np.int32))

    invoice = np.tile(eligible, len(days))
    day = np.concatenate(days).astype(np.int32)
    open_then = (settlement.issue_day[invoice] <= day) & (day < cut_off) & (day >= begin)
    open_then &= settlement.settled_known_day[invoice] >= day  # booked late, it still looked open
    invoice, day = invoice[open_then], day[open_then]
    by_customer = np.lexsort((invoice, day, settlement.customer[invoice]))
    return invoice[by_customer], day[by_customer]


def _questions(
    prepared: landmarks.Prepared, invoice: Rows, as_of: Days, *, seed: int
) -> tuple[Rows, npt.NDArray[np.int32]]:
    """For each snapshot every served horizon, and one number of days ahead of its own."""
    age = as_of - prepared.settlement.due_day[invoice]
    ids = prepared.ledger.invoices["invoice_id"].to_pylist()
    seeds = _seeds([ids[i] for i in invoice.tolist()], seed) ^ as_of.astype(np.uint64)
    far = np.exp(_uniform(seeds, 201) * np.log(161.0)) - 1  # log-spaced, 0 to 160
    near = -age + 8 * _normal(seeds)  # around the due date
    own = np.floor(np.where(_uniform(seeds, 202) < 0.5, far, near))
    ahead = np.column_stack([*(h - age for h in ALL_HORIZONS_DAYS), own]).astype(np.int32)
    row = np.repeat(np.arange(len(invoice)), ahead.shape[1])
    return row, ahead.ravel()


def _seeds(ids: list[str], seed: int) -> Seeds:
    """A number for each id, the same whatever else the ledger holds."""
    base = np.array([zlib.crc32(i.encode()) for i in ids], np.uint64)
    return base | (np.uint64(seed) << np.uint64(32))


def _uniform(seeds: Seeds, stream: int) -> npt.NDArray[np.float64]:
    """Uniform in [0, 1) from each seed (SplitMix64: Steele, Lea and Flood, OOPSLA 2014)."""
    x = seeds + np.uint64(stream * 0x9E3779B97F4A7C15 % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x = x ^ (x >> np.uint64(31))
    uniform: npt.NDArray[np.float64] = (x >> np.uint64(11)).astype(np.float64) / 2.0**53
    return uniform


def _normal(seeds: Seeds) -> npt.NDArray[np.float64]:
    """Standard normal by Box and Muller."""
    u, v = _uniform(seeds, 301), _uniform(seeds, 302)
    normal: npt.NDArray[np.float64] = np.sqrt(-2 * np.log1p(-u)) * np.cos(2 * np.pi * v)
    return normal
