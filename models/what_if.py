"""What if: the changes that a company can make to an open invoice, and what they account for.

A change is a fact of the invoice seen otherwise; the model is asked anew. What it answers is what
it expects of an invoice with those facts, not the effect of bringing them about: invoices that
were reminded of were late already.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations, product
from typing import Any

DAYS_BETWEEN_INSTALMENTS = 30
CAUSAL = ("reminder_sent", "discount_pct")  # where an expectation is easily taken for an effect

# What may be tried to have an invoice paid on time, by field: the smallest step first, and first
# the fields that cost the company least.
GRID: Mapping[str, tuple[Any, ...]] = {
    "dispute_solved": (True,),
    "reminder_sent": (True,),
    "discount_pct": (1.0, 2.0, 3.0, 5.0),
    "instalments": (2, 3, 4, 6),
    "more_days": (15, 30, 45, 60),
}


@dataclass(frozen=True)
class Change:
    """What is otherwise about one open invoice; a field that is None stays as it is."""

    terms_days: int | None = None  # due so many days after its issue
    more_days: int | None = None  # due so many days later
    amount_cents: int | None = None
    discount_pct: float | None = None  # for prompt payment: so much less is asked for
    instalments: int | None = None  # the first when it was due, the others 30 days apart
    reminder_sent: bool | None = None
    dispute_solved: bool | None = None

    @property
    def named(self) -> tuple[str, ...]:
        """The fields that change."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name) not in (None, False))


def candidates(*, disputed: bool) -> Iterator[Change]:
    """The changes worth trying, in the order of their size: one field first, then two."""
    grid = {name: steps for name, steps in GRID.items() if disputed or name != "dispute_solved"}
    for name, steps in grid.items():
        for step in steps:
            yield replace(Change(), **{name: step})
    pairs = [
        (one + other, Change(**{first: steps[one], second: others[other]}))
        for (first, steps), (second, others) in combinations(grid.items(), 2)
        for one, other in product(range(len(steps)), range(len(others)))
    ]
    for _, change in sorted(pairs, key=lambda pair: pair[0]):  # stable: then in the grid's order
        yield change


@dataclass(frozen=True)
class Difference:
    """How many points more or less a cause accounts for after the change."""

    feature_group: str
    before: float
    after: float

    @property
    def points(self) -> float:
        return self.after - self.before


def differences(
    before: Mapping[str, float], after: Mapping[str, float], *, change_in_p: float, rest: str
) -> list[Difference]:
    """The differences by cause, the largest first, the rest last; they add up to `change_in_p`.

    `before` and `after` are points by cause; causes that changed nothing are left out.
    """
    causes = [cause for cause in dict.fromkeys([*before, *after]) if cause != rest]
    found = [Difference(c, before.get(c, 0.0), after.get(c, 0.0)) for c in causes]
    found = sorted((d for d in found if d.points), key=lambda d: (-abs(d.points), d.feature_group))
    left = change_in_p - sum(d.points for d in found)
    known = before.get(rest, 0.0)
    return [*found, Difference(rest, known, known + left)] if left else found


def weighted(values: Sequence[float], weights: Sequence[int]) -> float:
    """The mean of the values by weight; one value alone keeps its bits."""
    if len(values) == 1:
        return values[0]
    total = sum(weights)
    return sum(v * w for v, w in zip(values, weights, strict=True)) / total
