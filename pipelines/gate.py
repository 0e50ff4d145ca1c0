"""What must hold before a night's scores may be read by anybody."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from models.horizons import PROBABILITY_COLUMNS

SAME_SHARE = 0.2  # of invoices with the very same probabilities: above it a model tells too little
SAME_ROWS = 100  # in fewer rows that may be chance


class PublishRefused(ValueError):  # noqa: N818 - the name says what happened
    """Scores that must not be published; the message lists every fault."""


@dataclass(frozen=True)
class Portfolio:
    """What the ledger says is open, counted apart from the scores."""

    invoice_ids: pa.Array
    exposure_cents: int


def check(
    scores: pa.Table,
    *,
    as_of: date,
    portfolio: Portfolio | None = None,
    plan: pa.Table | None = None,
    before: pa.Table | None = None,
) -> None:
    """Raise PublishRefused with all the faults of the scores and their plan, if there is any.

    `before` is the night before's scores: what was so then as well is the portfolio's own.
    """
    faults = list(_faults(scores, as_of, portfolio))
    if before is not None and not faults:
        faults += _degenerate(scores, before)
    if plan is not None:
        faults += _of_plan(plan, scores, as_of)
    if faults:
        raise PublishRefused(f"scores as of {as_of} are not published: {'; '.join(faults)}")


def _faults(scores: pa.Table, as_of: date, portfolio: Portfolio | None) -> Iterator[str]:
    probabilities = np.column_stack(
        [scores[name].to_numpy(zero_copy_only=False) for name in PROBABILITY_COLUMNS]
    )
    outside = ~np.all((probabilities >= 0) & (probabilities <= 1), axis=1)  # NaN and null too
    yield from _counted(outside, scores, "have a probability outside 0..1 or none")
    rising = np.any(np.diff(probabilities, axis=1) > 0, axis=1)
    yield from _counted(rising, scores, "have probabilities that rise with the horizon")

    other_day = pc.not_equal(scores["as_of"], pa.scalar(as_of)).fill_null(True)
    yield from _counted(other_day.to_numpy(), scores, f"are not as of {as_of}")
    versions = scores["model_version"].unique().to_pylist()
    if len(versions) > 1 or None in versions:
        yield f"one model must answer for all, got: {versions}"

    ids = scores["invoice_id"]
    if repeated := scores.num_rows - pc.count_distinct(ids, mode="all").as_py():
        yield f"{repeated} invoices stand there more than once"
    if portfolio is not None:
        yield from _against(portfolio, scores)


def same_share(scores: pa.Table) -> float:
    """The largest share of rows with the very same probabilities, of those not yet certain."""
    columns = [scores[name].to_numpy() for name in PROBABILITY_COLUMNS]
    said = np.column_stack(columns)[columns[-1] < 1]
    if len(said) < SAME_ROWS:
        return 0.0
    return float(np.unique(said, axis=0, return_counts=True)[1].max() / len(said))


def _degenerate(scores: pa.Table, before: pa.Table) -> Iterator[str]:
    """A portfolio may hold many invoices that are alike; it does not come to do so in a night."""
    now, then = same_share(scores), same_share(before)
    if now > max(SAME_SHARE, 2 * then):
        yield (
            f"{now:.0%} of the invoices have the very same probabilities, {then:.0%} the night "
            "before: the model tells nothing apart"
        )


def _against(portfolio: Portfolio, scores: pa.Table) -> Iterator[str]:
    scored = scores["invoice_id"].combine_chunks()
    for these, others, fault in (
        (portfolio.invoice_ids, scored, "are open and have no score"),
        (scored, portfolio.invoice_ids, "are scored and not open"),
    ):
        lonely = these.filter(pc.invert(pc.is_in(these, value_set=others)))
        if len(lonely):
            yield f"{len(lonely)} invoices {fault}, the first is {lonely[0].as_py()}"
    exposure = pc.sum(scores["open_cents"]).as_py() or 0
    if exposure != portfolio.exposure_cents:
        yield f"open amounts must sum to {portfolio.exposure_cents} cents, got: {exposure}"


def _of_plan(plan: pa.Table, scores: pa.Table, as_of: date) -> Iterator[str]:
    """Every customer with something open has one row, made on the day by one policy."""
    planned, scored = plan["customer_id"].unique(), scores["customer_id"].unique()
    if len(planned) != plan.num_rows:
        yield f"{plan.num_rows - len(planned)} customers stand in the plan more than once"
    for these, others, fault in (
        (scored, planned, "have open invoices and no place in the plan"),
        (planned, scored, "are planned and have nothing open"),
    ):
        lonely = these.filter(pc.invert(pc.is_in(these, value_set=others)))
        if len(lonely):
            yield f"{len(lonely)} customers {fault}, the first is {lonely[0].as_py()}"
    if not pc.all(pc.equal(plan["as_of"], pa.scalar(as_of)), min_count=0).as_py():
        yield f"the plan is not as of {as_of}"
    if len(versions := plan["policy_version"].unique().to_pylist()) > 1:
        yield f"one policy must have planned all, got: {versions}"


def _counted(wrong: npt.NDArray[np.bool_], scores: pa.Table, fault: str) -> Iterator[str]:
    rows = np.flatnonzero(wrong)
    if len(rows):
        yield f"{len(rows)} rows {fault}, the first is {scores['invoice_id'][int(rows[0])]}"
