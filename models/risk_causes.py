"""Which causes make the risk of several invoices together: their points, weighted by money."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from models.reasons import EVERYTHING_ELSE


class RiskCause(NamedTuple):
    """What a cause adds to the amount expected to be late, in cents of the open amount."""

    feature_group: str
    cents: int
    points: float  # of the open amount's probability


def risk_causes(
    reasons: Iterable[Sequence[Mapping[str, object]]], open_cents: Sequence[int]
) -> list[RiskCause]:
    """The causes of several invoices' reasons, those that add most first, the rest last.

    A cause's cents are the sum over invoices of what is open times the points; over what is open
    in all they are points again. An invoice's smaller causes stay in `everything_else`, as told.
    """
    sums: dict[str, float] = {}
    for told, cents in zip(reasons, open_cents, strict=True):
        for reason in told:
            cause = str(reason["feature_group"])
            sums[cause] = sums.get(cause, 0.0) + cents * float(str(reason["points"]))
    return in_order(sums, sum(open_cents))


def in_order(cents_by_cause: Mapping[str, float], open_cents: int) -> list[RiskCause]:
    """Sums of cents as causes of what is open in all: the largest first, the rest last."""
    ordered = sorted(
        cents_by_cause.items(), key=lambda item: (item[0] == EVERYTHING_ELSE, -abs(item[1]), item)
    )
    return [
        RiskCause(cause, round(cents), cents / open_cents if open_cents else 0.0)
        for cause, cents in ordered
    ]
