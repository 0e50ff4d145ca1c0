"""Onset: which warnings stand, and since when, found by replaying the past as it was known then.

A signal stands if it began on some day and has gone on every day since, and it began on the first
such day. Each day before `as_of` is looked at with what was known on it, 26 weeks at a time for as
long as the signal had gone on: so the day told is exact, and the same on every later day on which
the signal still stands. It assumes that no warning is given before a customer's first invoice is
known: there the look back ends.
"""

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from models import signals
from models.signals import NOT_STANDING, Rule
from pipelines import features
from pipelines.asked import Asked
from pipelines.events import Flags
from pipelines.streams import STREAMS

Days = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]

FIRST_LOOK_DAYS, LOOK_DAYS = 28, 182  # most signals are young
AT_ONCE = 2_000  # owners looked at together: memory follows it, answers do not
KNOWN = "n_invoices"  # the column that tells whether the customer is known

_OF_THE_INVOICE = {"given", *(stream.name for stream in STREAMS if stream.owner == "invoice")}


def since(asked: Asked, rules: Sequence[Rule] | None = None) -> dict[str, Days]:
    """For each rule the day since which it stands for each row, NOT_STANDING where it does not."""
    rules = signals.default_rules() if rules is None else rules
    as_of = asked.taken.as_of
    days = {rule.code: rule.since_by_age(asked.columns, as_of) for rule in rules if rule.ages}
    replayed = [rule for rule in rules if not rule.ages]
    of_customer = [rule for rule in replayed if _of_customer(rule)]
    of_invoice = [rule for rule in replayed if not _of_customer(rule)]

    customer = asked.prepared.settlement.customer[asked.invoice]
    _, any_row, whose = np.unique(customer, return_index=True, return_inverse=True)
    for rule, found in zip(of_customer, _replay(asked, of_customer, any_row), strict=True):
        days[rule.code] = found[whose]
    every_row = np.arange(len(asked.invoice))
    for rule, found in zip(of_invoice, _replay(asked, of_invoice, every_row), strict=True):
        days[rule.code] = found

    listed = _listed_since(asked)
    for rule in rules:
        if rule not in of_customer:
            stands = days[rule.code] != NOT_STANDING
            days[rule.code] = np.where(stands, np.maximum(days[rule.code], listed), NOT_STANDING)
    return days


def _of_customer(rule: Rule) -> bool:
    """Whether all invoices of a customer have the same answer: then one of them is asked."""

    def mentions_invoice(key: Hashable) -> bool:
        if isinstance(key, tuple):
            return any(mentions_invoice(part) for part in key)
        return key in _OF_THE_INVOICE or str(key).startswith("peers_")

    return not any(mentions_invoice(features.BOOK[name].node.key) for name in rule.names)


def _listed_since(asked: Asked) -> Days:
    """The day since which each invoice has been listed as open without a break."""
    settlement = asked.prepared.settlement
    move = settlement.movements
    again = np.flatnonzero(move.reopens & (move.known_day < asked.as_of))
    known = settlement.known_day.copy()
    np.maximum.at(known, move.invoice[again], move.known_day[again])
    return np.minimum(known[asked.invoice] + 1, asked.as_of).astype(np.int32)


def _replay(asked: Asked, rules: Sequence[Rule], rows: Rows) -> list[Days]:
    """For each rule, since when it stands for each of these rows of what is asked."""
    since = np.full((len(rules), len(rows)), NOT_STANDING, np.int32)
    today = {name: column[rows] for name, column in asked.columns.items()}
    goes_on = np.zeros(since.shape, bool)
    for at, rule in enumerate(rules):
        goes_on[at] = rule.stays(today) & (today[KNOWN] > 0)
        since[at][goes_on[at] & rule.begins(today)] = asked.as_of

    standing = np.flatnonzero(goes_on.any(axis=0))
    for begin in range(0, len(standing), AT_ONCE):
        part = standing[begin : begin + AT_ONCE]
        since[:, part] = _look_back(
            asked, rules, asked.invoice[rows[part]], since[:, part], goes_on[:, part]
        )
    return list(since)


def _look_back(
    asked: Asked, rules: Sequence[Rule], invoice: Rows, since: Days, goes_on: Flags
) -> Days:
    """Moves `since` back to the first day from which each rule has gone on every day."""
    since, goes_on = since.copy(), goes_on.copy()
    names = sorted({KNOWN}.union(*(rule.names for rule in rules)))
    first, count = 1, FIRST_LOOK_DAYS
    while goes_on.any():
        who = np.flatnonzero(goes_on.any(axis=0))
        day = asked.as_of - np.arange(first, first + count)
        values = features.compute(
            asked.prepared.streams,
            np.repeat(invoice[who], count),
            np.tile(day, len(who)),
            asked.peers,
            names=names,
        )
        columns = {name: values[:, at].reshape(len(who), count) for at, name in enumerate(names)}
        for at, rule in enumerate(rules):
            stood = rule.stays(columns) & (columns[KNOWN] > 0)
            stood[:, 0] &= goes_on[at, who]
            stood = np.logical_and.accumulate(stood, axis=1)
            began = stood & rule.begins(columns)
            earliest = count - 1 - began[:, ::-1].argmax(axis=1)
            seen = began.any(axis=1)
            since[at, who[seen]] = day[earliest[seen]]
            goes_on[at, who] = stood[:, -1]
        first, count = first + count, LOOK_DAYS
    return since
