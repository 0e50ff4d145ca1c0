"""What if: one open invoice scored as it is and with facts changed, on the path of all scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from models import reasons, what_if
from models.bundle import Bundle
from models.horizons import ALL_HORIZONS_DAYS, PROBABILITY_COLUMNS
from models.what_if import Change, Difference
from pipelines import changes
from pipelines.changes import CannotChange, Row
from pipelines.explaining import USUAL_TELLING, Telling
from pipelines.ledger import Ledger, rows_of
from pipelines.scoring import score

TARGET = "p_late_30"  # what a counterfactual brings down
MOST_TRIED = sum(1 for _ in what_if.candidates(disputed=True))


@dataclass(frozen=True)
class Compared:
    """An invoice before a change and after it, where it may have become several instalments.

    The probabilities of several are weighted by what is open of each. The differences add up to
    that of `reasons_for` after and before.
    """

    change: Change
    before: Row
    after: Sequence[Row]
    probabilities: Mapping[str, tuple[float, float]]  # name -> before and after
    reasons_for: str
    differences: Sequence[Difference]


@dataclass(frozen=True)
class Counterfactual:
    """The first change tried that brings p_late_30 to the target, None where none of them does."""

    target: float
    tried: int
    found: Compared | None


@dataclass(frozen=True)
class Asked:
    """One open invoice of a ledger, which can be asked about as it is and otherwise.

    `ledger` is its customer's part: the bits are the same, and nobody else is looked at.
    """

    ledger: Ledger
    as_of: int
    model: Bundle
    before: Row

    @classmethod
    def of(cls, ledger: Ledger, as_of: int, model: Bundle, invoice_id: str) -> "Asked":
        """Raises CannotChange unless the invoice is open as of the day."""
        (at,) = rows_of(pa.array([invoice_id]), among=ledger.invoices["invoice_id"])
        if at >= 0:
            own = ledger.of_customers(ledger.invoices["customer_id"].take(pa.array([at])))
            if rows := _scored(own, as_of, model, [invoice_id]):
                return cls(own, as_of, model, rows[0])
        raise CannotChange("invoice_id", "an invoice that is open as of the day", "another")

    def compare(self, change: Change) -> Compared:
        """The invoice as it is and as it would be, and which causes make the difference.

        Raises CannotChange where the change does not fit the invoice.
        """
        ledger, ids = changes.apply(change, self.ledger, self.as_of, self.before)
        after = _scored(ledger, self.as_of, self.model, ids)
        if not after:
            raise CannotChange("change", "something left to pay after it", "nothing")

        # Both are told about one horizon: the latest that either of them is asked about.
        names = [row["reasons_for"] for row in (self.before, *after)]
        horizon = max(ALL_HORIZONS_DAYS[PROBABILITY_COLUMNS.index(name)] for name in names)
        telling = Telling(shown=len(reasons.CAUSES), horizon=horizon)
        now = _scored(self.ledger, self.as_of, self.model, [self.before["invoice_id"]], telling)
        then = _scored(ledger, self.as_of, self.model, ids, telling)
        name = now[0]["reasons_for"]
        return Compared(
            change,
            self.before,
            after,
            {p: (self.before[p], weighted(after, p)) for p in PROBABILITY_COLUMNS},
            name,
            what_if.differences(
                _points(now),
                _points(then),
                change_in_p=weighted(then, name) - now[0][name],
                rest=reasons.EVERYTHING_ELSE,
            ),
        )

    def smallest_change(self, target: float) -> Counterfactual:
        """The first of `models.what_if.candidates` after which p_late_30 is at most the target."""
        if self.before[TARGET] <= target:
            return Counterfactual(target, 0, self.compare(Change()))
        disputed = bool(changes.open_disputes(self.ledger, self.as_of, self.before).any())
        tried = 0
        for change in what_if.candidates(disputed=disputed):
            try:
                ledger, ids = changes.apply(change, self.ledger, self.as_of, self.before)
            except CannotChange:
                continue
            tried += 1
            rows = _scored(ledger, self.as_of, self.model, ids)
            if rows and weighted(rows, TARGET) <= target:
                return Counterfactual(target, tried, self.compare(change))
        return Counterfactual(target, tried, None)


def weighted(rows: Sequence[Row], name: str) -> float:
    """The rows' figure, weighted by what is open."""
    return what_if.weighted([row[name] for row in rows], [row["open_cents"] for row in rows])


def _scored(
    ledger: Ledger,
    as_of: int,
    model: Bundle,
    ids: Sequence[str],
    telling: Telling = USUAL_TELLING,
) -> list[Row]:
    """The open ones of these invoices, in the order in which they are due."""
    rows: list[Row] = score(ledger, as_of, model, invoices=ids, telling=telling).to_pylist()
    return sorted(rows, key=lambda row: (row["due_date"], row["invoice_id"]))


def _points(rows: Sequence[Row]) -> dict[str, float]:
    """Points by cause, weighted by what is open."""
    told: list[dict[str, Any]] = [
        {reason["feature_group"]: reason["points"] for reason in row["reasons"]} for row in rows
    ]
    open_cents = [row["open_cents"] for row in rows]
    causes = dict.fromkeys(cause for row in told for cause in row)
    return {
        cause: what_if.weighted([float(row.get(cause, 0.0)) for row in told], open_cents)
        for cause in causes
    }
