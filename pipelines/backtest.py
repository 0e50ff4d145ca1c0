"""Back-test: what the model would have said on past days, knowing only what was known then.

For each origin a model is trained on what was known before it and asked two things: about the
invoices issued in the next 30 days, each on its day of issue, and about all that was open on the
origin, overdue or not. The baselines answer beside it, and the cash of what is open is forecast.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models import outlook
from models.cash import WEEKS
from models.fitting import TrainingRows, fit
from models.horizons import PROBABILITY_COLUMNS
from models.late_payment import LatePaymentModel, Snapshots
from models.outlook import Outlook
from pipelines import baselines, cash_forecast, dataset, features, labels, landmarks
from pipelines.features import Peers
from pipelines.ledger import NEVER, Ledger, date_column
from pipelines.settlement import Settlement, is_open, settle
from pipelines.workers import crew

Days = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]

ISSUE_DAYS = 30  # how long after the origin new invoices are asked about
OURS, DUE_DATE, AVERAGE, CURVE = "", "due_", "average_", "curve_"  # who answers: columns begin so
DATE_COLUMNS = ("expected_date", "date_lo", "date_hi")
CURVE_COLUMNS = tuple(f"curve_{name}" for name in PROBABILITY_COLUMNS)


@dataclass(frozen=True)
class Backtest:
    """Predictions of all origins, and the ledger that tells how they ended."""

    predictions: pa.Table
    ledger: pa.Table
    models: tuple[LatePaymentModel, ...]
    cash: pa.Table  # by origin and week: expected, between what, and what came


@dataclass(frozen=True)
class Replay:
    """One origin: what was predicted, the cash forecast of its weeks, and the model that did."""

    predictions: pa.Table
    cash: pa.Table
    model: LatePaymentModel


def run(
    ledger: Ledger,
    origins: Sequence[int],
    *,
    seed: int = 0,
    workers: int = 1,
    tell: Callable[[str], None] = lambda step: None,
) -> Backtest:
    """Predictions at each origin (days since 1970-01-01); raises NotEnoughHistory.

    With more workers, origins go to so many processes; the numbers are the same.
    """
    if workers > 1:
        tell(f"{len(origins)} origins in {workers} processes")
        with crew(workers=workers) as each:
            replays = each(partial(replay, ledger, seed=seed), list(origins))
    else:
        replays = [replay(ledger, origin, seed=seed, tell=tell) for origin in origins]
    return together(replays, ledger)


def together(replays: Sequence[Replay], ledger: Ledger) -> Backtest:
    """The replays of all origins as one back-test."""
    return Backtest(
        pa.concat_tables([part.predictions for part in replays]).combine_chunks(),
        outcomes(ledger),
        tuple(part.model for part in replays),
        pa.concat_tables([part.cash for part in replays]).combine_chunks(),
    )


def replay(
    ledger: Ledger,
    origin: int,
    *,
    seed: int = 0,
    tell: Callable[[str], None] = lambda step: None,
) -> Replay:
    """Train on what was known before the origin, and predict what came after it."""
    tell(f"{np.datetime64(origin, 'D')}: training")
    model = train(ledger, cut_off=origin, seed=seed)
    tell(f"{np.datetime64(origin, 'D')}: predicting")
    predictions = predict(ledger, model, origin=origin)
    return Replay(predictions, cash(ledger, model, origin=origin, seed=seed), model)


def cash(ledger: Ledger, model: LatePaymentModel, *, origin: int, seed: int = 0) -> pa.Table:
    """One row for each of the next weeks: the cash expected of what was open, and what came."""
    told = cash_forecast.forecast(ledger, model, as_of=origin, seed=seed)
    came = cash_forecast.came(ledger, as_of=origin)
    return pa.table(
        {
            "cut": pa.array(np.full(WEEKS, origin, np.int32), pa.date32()),
            "week": np.arange(1, WEEKS + 1),
            "open_cents": np.full(WEEKS, told.open_cents),
            "expected_cents": told.cash.expected_cents,
            "low_cents": told.cash.low_cents,
            "high_cents": told.cash.high_cents,
            "came_cents": pa.array(came, mask=np.isnan(came)),
            "customer_share": np.full(WEEKS, told.shocks.customer_share),
            "week_spread": np.full(WEEKS, told.shocks.week_spread),
        }
    )


def train(
    ledger: Ledger,
    *,
    cut_off: int,
    seed: int = 0,
    tuned: Mapping[str, float] | None = None,
    looking_at: Collection[str] | None = None,
) -> LatePaymentModel:
    """The model of what was known before the cut-off, with tuned parameters where they won.

    It looks at all features, or at some.
    """
    built = dataset.build(ledger, cut_off=cut_off, seed=seed)
    return fit(
        narrowed(built.rows, looking_at),
        cohorts=built.cohorts,
        peers=built.peers.as_columns(),
        cut_off=cut_off,
        seed=seed,
        tuned=tuned,
        facts={"feature_book": features.fingerprint()},
    )


def narrowed(rows: TrainingRows, looking_at: Collection[str] | None) -> TrainingRows:
    """The same rows with some of the book's features alone; None: with all of them."""
    if looking_at is None:
        return rows
    kept = [name for name in features.BOOK if name in looking_at]
    return replace(rows, snapshots=with_features(rows.snapshots, kept))


def with_features(snapshots: Snapshots, names: Sequence[str]) -> Snapshots:
    """The same snapshots with these features alone, in this order."""
    if snapshots.feature_names == tuple(names):
        return snapshots
    columns = [snapshots.feature_names.index(name) for name in names]
    return replace(snapshots, features=snapshots.features[:, columns], feature_names=tuple(names))


def predict(ledger: Ledger, model: LatePaymentModel, *, origin: int) -> pa.Table:
    """One row for each invoice of either test of an origin."""
    prepared = landmarks.prepare(ledger.known_before(origin + ISSUE_DAYS))
    peers = Peers.from_columns(model.peers)
    return pa.concat_tables(
        [
            _ask(prepared, model, peers, invoice, as_of, test=test, origin=origin)
            for test, (invoice, as_of) in tests(prepared.settlement, origin).items()
        ]
    )


def tests(settlement: Settlement, origin: int) -> dict[str, tuple[Rows, Days]]:
    """The invoices of each test, with the day each is asked about."""
    issued = (settlement.issue_day >= origin) & (settlement.issue_day < origin + ISSUE_DAYS)
    # paid in advance: there is nothing left to ask
    issued &= ~settlement.never_open & (settlement.settled_day >= settlement.issue_day)
    new = np.flatnonzero(issued)
    open_then = np.flatnonzero(is_open(settlement, origin))
    return {
        "issue": (new, settlement.issue_day[new]),
        "portfolio": (open_then, np.full(len(open_then), origin, np.int32)),
    }


def _ask(
    prepared: landmarks.Prepared,
    model: LatePaymentModel,
    peers: Peers,
    invoice: Rows,
    as_of: Days,
    *,
    test: str,
    origin: int,
) -> pa.Table:
    taken = landmarks.take(prepared, invoice, as_of, peers=peers)
    ahead = outlook.questions(taken.as_of, taken.due_day)

    def seen(curve: npt.NDArray[np.float64]) -> Outlook:
        return outlook.read(curve, ahead, as_of=taken.as_of, due_day=taken.due_day)

    narrowed = with_features(taken, model.feature_names)
    answers = {
        OURS: seen(model.predict_curve(narrowed, ahead)),
        CURVE: seen(model.customer_curve(taken, ahead)),
        AVERAGE: baselines.average_delay(taken),
        DUE_DATE: baselines.due_date(taken),
    }
    ids = prepared.ledger.invoices["invoice_id"].combine_chunks().take(pa.array(invoice))
    settled = taken.features[:, taken.feature_names.index("n_settled")]
    return pa.table(
        {
            "invoice_id": ids,
            "cut": pa.array(np.full(len(ids), origin, np.int32), pa.date32()),
            "test": pa.array([test] * len(ids), pa.string()),
            "as_of": pa.array(taken.as_of, pa.date32()),
            "n_settled": np.nan_to_num(settled).astype(np.int64),
            **{name: column for who, told in answers.items() for name, column in _said(who, told)},
        }
    )


def _said(who: str, told: Outlook) -> Iterator[tuple[str, pa.Array]]:
    """The columns of one answerer: its probabilities and its dates."""
    for name, p in zip(PROBABILITY_COLUMNS, told.probabilities.T, strict=True):
        yield f"{who}{name}", pa.array(p)
    for name, day in zip(
        DATE_COLUMNS, (told.expected_date, told.date_lo, told.date_hi), strict=True
    ):
        yield f"{who}{name}", date_column(day)


def outcomes(ledger: Ledger) -> pa.Table:
    """How each invoice ended: its customer, issue, business due date and settlement (null: open).

    Invoices cancelled in full are left out: they have no label.
    """
    settlement = settle(ledger)
    kept = np.flatnonzero(labels.is_labelled(settlement))
    paid = settlement.settled_day[kept]
    return pa.table(
        {
            "invoice_id": ledger.invoices["invoice_id"].combine_chunks().take(pa.array(kept)),
            "cust": settlement.customer_ids.take(pa.array(settlement.customer[kept])),
            "issue": pa.array(settlement.issue_day[kept].astype(np.int32), pa.date32()),
            "due": pa.array(settlement.due_day[kept], pa.date32()),
            "paid": pa.array(np.where(paid == NEVER, 0, paid), pa.date32(), mask=paid == NEVER),
            "amt": settlement.amount_cents[kept] / 100,
        }
    )
