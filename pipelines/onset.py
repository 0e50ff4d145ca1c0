"""Onset: which warnings stand, since when and how severe, found by replaying what was known then.

A signal stands if it began on some day and has gone on every day since, and it began on the first
such day. Each day before `as_of` is looked at with what was known on it, 26 weeks at a time for as
long as the signal had gone on: so the day told is exact, and the same on every later day on which
the signal still stands. It assumes that no warning is given before a customer's first invoice is
known: there the look back ends.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields
from functools import cache

import numpy as np
import numpy.typing as npt

from models import signals
from models.claims import Columns
from models.signals import NOT_STANDING, Days, Levels, Rule, Standing
from pipelines import features
from pipelines.asked import Asked
from pipelines.events import Flags
from pipelines.streams import STREAMS

Rows = npt.NDArray[np.int64]

FIRST_LOOK_DAYS, LOOK_DAYS = 28, 182  # most signals are young
AT_ONCE = 2_000  # owners looked at together: memory follows it, answers do not
KNOWN = "n_invoices"  # the column that tells whether the customer is known

_OF_THE_INVOICE = {"given", *(stream.name for stream in STREAMS if stream.owner == "invoice")}


def standing(asked: Asked, rules: Sequence[Rule] | None = None) -> dict[str, Standing]:
    """For each rule the day since which it stands for each row, and how severe it is."""
    rules = signals.default_rules() if rules is None else rules
    as_of = asked.taken.as_of
    found = {
        rule.code: Standing(rule.since_by_age(asked.columns, as_of), rule.levels(asked.columns)[0])
        for rule in rules
        if rule.ages
    }
    replayed = [rule for rule in rules if not rule.ages]
    of_customer = [rule for rule in replayed if _of_customer(rule)]
    of_invoice = [rule for rule in replayed if not _of_customer(rule)]

    customer = asked.prepared.settlement.customer[asked.invoice]
    _, any_row, whose = np.unique(customer, return_index=True, return_inverse=True)
    for rule, stands in zip(of_customer, _replay(asked, of_customer, any_row), strict=True):
        found[rule.code] = Standing(stands.since[whose], stands.level[whose])
    every_row = np.arange(len(asked.invoice))
    for rule, stands in zip(of_invoice, _replay(asked, of_invoice, every_row), strict=True):
        found[rule.code] = stands

    listed = _listed_since(asked)
    for rule in rules:
        if rule not in of_customer:
            since, level = found[rule.code]
            seen = np.where(since != NOT_STANDING, np.maximum(since, listed), NOT_STANDING)
            found[rule.code] = Standing(seen, level)
    return found


def _of_customer(rule: Rule) -> bool:
    """Whether all invoices of a customer have the same answer: then one of them is asked."""
    return not any(_is_of_invoice(name) for name in rule.names)


@cache
def _is_of_invoice(name: str) -> bool:
    """Whether a column of the book looks at the invoice, not at its customer alone."""

    def mentions_invoice(key: Hashable) -> bool:
        if isinstance(key, tuple):
            return any(mentions_invoice(part) for part in key)
        return key in _OF_THE_INVOICE or str(key).startswith("peers_")

    return mentions_invoice(features.BOOK[name].node.key)


def _listed_since(asked: Asked) -> Days:
    """The day since which each invoice has been listed as open without a break."""
    settlement = asked.prepared.settlement
    move = settlement.movements
    again = np.flatnonzero(move.reopens & (move.known_day < asked.as_of))
    known = settlement.known_day.copy()
    np.maximum.at(known, move.invoice[again], move.known_day[again])
    return np.minimum(known[asked.invoice] + 1, asked.as_of).astype(np.int32)


@dataclass
class _Replay:
    """What is known of each rule (first axis) and row (last), having looked so far back.

    Today's severity is between `least` and `most`, whatever it was before the days looked at.
    """

    since: Days
    level: Levels
    goes_on: Flags
    least: Levels
    most: Levels

    @classmethod
    def of_today(cls, rules: Sequence[Rule], today: Columns, as_of: int) -> "_Replay":
        known = today[KNOWN] > 0
        levels = [rule.levels(today) for rule in rules]
        least, most = (np.array([of_rule[i] for of_rule in levels]) for i in (0, 1))
        goes_on = np.array([rule.stays(today) & known for rule in rules])
        begins = np.array([rule.begins(today) for rule in rules]) & goes_on
        since = np.where(begins, np.int32(as_of), NOT_STANDING)
        return cls(since, least.copy(), goes_on, least, most)

    def rows(self, some: Rows) -> "_Replay":
        return _Replay(*(getattr(self, field.name)[:, some] for field in fields(self)))

    def back(self, rules: Sequence[Rule], who: Rows, columns: Columns, day: Rows) -> None:
        """Look at these days (going back, as the columns do) of the rows in question."""
        for at, rule in enumerate(rules):
            stood = rule.stays(columns) & (columns[KNOWN] > 0)
            stood[:, 0] &= self.goes_on[at, who]
            stood = np.logical_and.accumulate(stood, axis=1)
            began = stood & rule.begins(columns)
            earliest = len(day) - 1 - began[:, ::-1].argmax(axis=1)
            seen = began.any(axis=1)
            least, most = self._levels_back(at, who, *rule.levels(columns))
            self.since[at, who[seen]] = day[earliest[seen]]
            self.level[at, who[seen]] = least[seen, earliest[seen]]
            self.goes_on[at, who] = stood[:, -1]
            self.least[at, who], self.most[at, who] = least[:, -1], most[:, -1]

    def _levels_back(
        self, rule: int, who: Rows, least: Levels, most: Levels
    ) -> tuple[Levels, Levels]:
        """Between what today's severity is, by what is known from each of these days on."""
        low, high = self.least[rule, who], self.most[rule, who]
        lows, highs = np.empty_like(least), np.empty_like(most)
        for at in range(least.shape[1]):
            low, high = np.clip(least[:, at], low, high), np.clip(most[:, at], low, high)
            lows[:, at], highs[:, at] = low, high
        return lows, highs


def _replay(asked: Asked, rules: Sequence[Rule], rows: Rows) -> list[Standing]:
    """For each rule, since when it stands for each of these rows, and how severe it is."""
    if not rules:
        return []
    today = {name: column[rows] for name, column in asked.columns.items()}
    whole = _Replay.of_today(rules, today, asked.as_of)
    standing = np.flatnonzero(whole.goes_on.any(axis=0))
    for begin in range(0, len(standing), AT_ONCE):
        part = standing[begin : begin + AT_ONCE]
        looked = _look_back(asked, rules, asked.invoice[rows[part]], whole.rows(part))
        whole.since[:, part], whole.level[:, part] = looked.since, looked.level
    return [Standing(*of_rule) for of_rule in zip(whole.since, whole.level, strict=True)]


def _look_back(asked: Asked, rules: Sequence[Rule], invoice: Rows, seen: _Replay) -> _Replay:
    """Goes back to the first day from which each rule has gone on every day."""
    names = sorted({KNOWN}.union(*(rule.names for rule in rules)))
    first, count = 1, FIRST_LOOK_DAYS
    while seen.goes_on.any():
        who = np.flatnonzero(seen.goes_on.any(axis=0))
        day = asked.as_of - np.arange(first, first + count)
        values = features.compute(
            asked.prepared.streams,
            np.repeat(invoice[who], count),
            np.tile(day, len(who)),
            asked.peers,
            names=names,
        )
        columns = {name: values[:, at].reshape(len(who), count) for at, name in enumerate(names)}
        seen.back(rules, who, columns, day)
        first, count = first + count, LOOK_DAYS
    return seen
