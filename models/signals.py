"""The warnings: rules read from data, over the columns of the feature book.

A rule takes more to begin a signal than to keep it up, so that a value that hovers at the threshold
does not make it come and go. Whether a signal stands therefore depends on the days before, which
`pipelines.onset` replays.
"""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models import wording
from models.claims import Claim, Columns, Flags, Side, require

Days = npt.NDArray[np.int32]
Levels = npt.NDArray[np.int8]  # of severity: 0 is low

SEVERITIES = ("low", "medium", "high")
NOT_STANDING = np.int32(-(1 << 30))  # in place of a day, for a signal that does not stand


class Signal(NamedTuple):
    """One warning about one row: `since` is the day it began, None where the rule can't tell."""

    code: str
    since: int | None
    before: float
    now: float
    severity: str


class Standing(NamedTuple):
    """For each row the day since which a signal stands, NOT_STANDING where not, and how severe."""

    since: Days
    level: Levels


@dataclass(frozen=True)
class Rule:
    """When to warn, how severely, and what to say."""

    code: str
    measure: Side
    cutoffs: tuple[float, float, float]
    leave: float  # it goes on while the measure is not below
    when: tuple[Claim, ...]
    stay: tuple[Claim, ...]  # what must go on holding
    before: Side
    now: Side
    unit: str
    it: str
    en: str
    ages: bool

    @cached_property
    def names(self) -> set[str]:
        sides = {side.name for side in (self.measure, self.before, self.now) if side.name}
        return sides.union(*(claim.names for claim in (*self.when, *self.stay)))

    def begins(self, columns: Columns) -> Flags:
        """Where all is seen that it takes to begin the signal."""
        return _all(self.when, self.measure.of(columns) >= self.cutoffs[0], columns)

    def stays(self, columns: Columns) -> Flags:
        """Where a signal that already stood goes on."""
        stays = _all(self.stay, self.measure.of(columns) >= self.leave, columns)
        return stays | self.begins(columns)

    def levels(self, columns: Columns) -> tuple[Levels, Levels]:
        """The least and the most severe that a signal may be, whatever it was the day before.

        It grows more severe as soon as a cut-off is reached, and milder only when the measure has
        left that cut-off behind, by as much as it takes to end a signal: low less leave.
        """
        measure, slack = self.measure.of(columns), self.cutoffs[0] - self.leave
        least = sum((measure >= cutoff).astype(np.int8) for cutoff in self.cutoffs[1:])
        most = sum((measure >= cutoff - slack).astype(np.int8) for cutoff in self.cutoffs[1:])
        return np.asarray(least, np.int8), np.asarray(most, np.int8)

    def since_by_age(self, columns: Columns, as_of: Days) -> Days:
        """The day on which a measure that grows by one each day reached its cut-off."""
        measure = self.measure.of(columns)
        days = np.floor(np.where(measure >= self.cutoffs[0], measure - self.cutoffs[0], 0))
        return np.where(self.begins(columns), as_of - days, NOT_STANDING).astype(np.int32)


def _all(claims: Sequence[Claim], holds: Flags, columns: Columns) -> Flags:
    for claim in claims:
        holds = holds & claim.holds(columns)
    return holds


class RulesError(ValueError):
    """The rules' file says something that we can't follow; the message lists every fault."""


def parse(text: str) -> tuple[Rule, ...]:
    """The rules written in a TOML text, one table each."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise RulesError(f"rules must be TOML: {fault}") from None
    rules, faults = [], []
    for code, table in tables.items():
        try:
            rules.append(_rule(code, table))
        except ValueError as fault:
            faults.append(f"{code}: {fault}")
    if faults:
        raise RulesError("\n".join(faults))
    return tuple(rules)


def _rule(code: str, table: object) -> Rule:
    if not isinstance(table, Mapping):
        raise ValueError("expected a table of the rule's keys")
    optional = {"when", "stay", "leave", "ages"}
    known = {*(f.name for f in fields(Rule)), *SEVERITIES} - {"code", "cutoffs"}
    wrong = [f"{name} is missing" for name in sorted(known - table.keys() - optional)]
    wrong += [f"{name} is not a key of a rule" for name in sorted(table.keys() - known)]
    if wrong:
        raise ValueError("; ".join(wrong))
    low, medium, high = (float(table[name]) for name in SEVERITIES)
    if not low < medium < high:
        raise ValueError(f"expected low < medium < high, got: {low}, {medium}, {high}")
    leave = float(table.get("leave", low))
    if not leave <= low:
        raise ValueError(f"expected leave <= low, got: {leave}, {low}")
    ages, when = bool(table.get("ages", False)), table.get("when", [])
    if ages and (when or leave < low):
        raise ValueError("what ages is told by its measure alone: expected no when and no leave")
    wording.quantity(1.0, table["unit"], "en")
    return Rule(
        code=code,
        measure=Side.parse(table["measure"]),
        cutoffs=(low, medium, high),
        leave=leave,
        when=tuple(Claim.parse(text) for text in when),
        stay=tuple(Claim.parse(text) for text in table.get("stay", when)),
        before=Side.parse(table["before"]),
        now=Side.parse(table["now"]),
        unit=table["unit"],
        it=table["it"],
        en=table["en"],
        ages=ages,
    )


@cache
def default_rules() -> tuple[Rule, ...]:
    return parse(Path(__file__).with_name("signals.toml").read_text("utf-8"))


def detect(
    values: Columns,
    rules: Sequence[Rule] | None = None,
    *,
    as_of: Days | None = None,
    standing: Mapping[str, Standing] | None = None,
) -> list[list[Signal]]:
    """For each row its signals, in the order of the rules.

    `values` are the feature book's columns by name. `standing` tells by rule since when the signals
    stand and how severe they are; without it, those are given that begin or begin again, and with
    `as_of` (days since 1970-01-01) those whose measure is an age carry their day.
    """
    require(values, _needed_by(rules), for_what="the signal rules")
    rules = default_rules() if rules is None else rules
    rows = max((np.size(column) for column in values.values()), default=0)
    found: list[list[Signal]] = [[] for _ in range(rows)]
    for rule in rules:
        day, level = None, None
        if standing is not None:
            day, level = standing[rule.code]
        elif rule.ages and as_of is not None:
            day = rule.since_by_age(values, as_of)
        stands = rule.begins(values) if day is None else day != NOT_STANDING
        at = np.flatnonzero(stands)
        if not len(at):
            continue
        level = rule.levels(values)[0] if level is None else level
        before, now = (np.broadcast_to(side.of(values), rows) for side in (rule.before, rule.now))
        began = [None] * len(at) if day is None else day[at].tolist()
        told = zip(
            at.tolist(), began, before[at].tolist(), now[at].tolist(), level[at], strict=True
        )
        for i, since, was, now_is, how in told:
            found[i].append(Signal(rule.code, since, was, now_is, SEVERITIES[how]))
    return found


def _needed_by(rules: Sequence[Rule] | None) -> frozenset[str]:
    return _needed_by_default() if rules is None else _names_of(rules)


@cache
def _needed_by_default() -> frozenset[str]:
    return _names_of(default_rules())


def _names_of(rules: Sequence[Rule]) -> frozenset[str]:
    return frozenset[str]().union(*(rule.names for rule in rules))


def severities(found: Sequence[Sequence[Signal]], rules: Sequence[Rule] | None = None) -> Columns:
    """The signals as columns `signal_<code>`: 0 where absent, else 1 (low) to 3 (high)."""
    rules = default_rules() if rules is None else rules
    columns = {rule.code: np.zeros(len(found)) for rule in rules}
    for i, signals in enumerate(found):
        for signal in signals:
            columns[signal.code][i] = 1 + SEVERITIES.index(signal.severity)
    return {f"signal_{code}": column for code, column in columns.items()}


def sentence(
    code: str,
    *,
    before: float,
    now: float,
    language: str,
    rules: Sequence[Rule] | None = None,
    currency: str = "EUR",
) -> str:
    """One signal in words."""
    rules = default_rules() if rules is None else rules
    rule = next((rule for rule in rules if rule.code == code), None)
    if rule is None:
        known = ", ".join(rule.code for rule in rules)
        raise ValueError(f"signal must be one of {known}, got: {code}")
    said = {
        name: wording.quantity(value, rule.unit, language, currency=currency)
        if math.isfinite(value)
        else None
        for name, value in (("before", before), ("now", now))
    }
    template = rule.it if wording.checked(language) == "it" else rule.en
    return wording.elided(wording.fill(template, **said), language)
