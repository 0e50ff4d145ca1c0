"""The warnings: rules read from data, over the columns of the feature book."""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models import wording
from models.claims import Claim, Columns, Side, require

SEVERITIES = ("low", "medium", "high")


class Signal(NamedTuple):
    """One warning about one row: `since` is the day it began, None where the rule can't tell."""

    code: str
    since: int | None
    before: float
    now: float
    severity: str


@dataclass(frozen=True)
class Rule:
    """When to warn, how severely, and what to say."""

    code: str
    measure: Side
    cutoffs: tuple[float, float, float]
    when: tuple[Claim, ...]
    before: Side
    now: Side
    unit: str
    it: str
    en: str
    ages: bool

    @property
    def names(self) -> set[str]:
        sides = {side.name for side in (self.measure, self.before, self.now) if side.name}
        return sides.union(*(claim.names for claim in self.when))


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
    optional = {"when": [], "ages": False}
    known = {*(f.name for f in fields(Rule)), *SEVERITIES} - {"code", "cutoffs"}
    wrong = [f"{name} is missing" for name in sorted(known - table.keys() - optional.keys())]
    wrong += [f"{name} is not a key of a rule" for name in sorted(table.keys() - known)]
    if wrong:
        raise ValueError("; ".join(wrong))
    low, medium, high = (float(table[name]) for name in SEVERITIES)
    if not low < medium < high:
        raise ValueError(f"expected low < medium < high, got: {low}, {medium}, {high}")
    wording.quantity(1.0, table["unit"], "en")
    return Rule(
        code=code,
        measure=Side.parse(table["measure"]),
        cutoffs=(low, medium, high),
        when=tuple(Claim.parse(text) for text in table.get("when", [])),
        before=Side.parse(table["before"]),
        now=Side.parse(table["now"]),
        unit=table["unit"],
        it=table["it"],
        en=table["en"],
        ages=bool(table.get("ages", False)),
    )


@cache
def default_rules() -> tuple[Rule, ...]:
    return parse(Path(__file__).with_name("signals.toml").read_text("utf-8"))


def detect(
    values: Columns,
    rules: Sequence[Rule] | None = None,
    *,
    as_of: npt.NDArray[np.int32] | None = None,
) -> list[list[Signal]]:
    """For each row its signals, in the order of the rules.

    `values` are the feature book's columns by name. With `as_of` (days since 1970-01-01) the
    signals whose measure is an age carry the day they began.
    """
    rules = default_rules() if rules is None else rules
    require(values, set().union(*(rule.names for rule in rules)), for_what="the signal rules")
    rows = max((np.size(column) for column in values.values()), default=0)
    found: list[list[Signal]] = [[] for _ in range(rows)]
    for rule in rules:
        measure = rule.measure.of(values)
        present = measure >= rule.cutoffs[0]
        for claim in rule.when:
            present = present & claim.holds(values)
        before, now = rule.before.of(values), rule.now.of(values)
        severity = np.searchsorted(rule.cutoffs, measure, side="right") - 1
        for i in np.flatnonzero(present):
            since = None
            if rule.ages and as_of is not None:
                since = int(as_of[i]) - math.floor(measure[i] - rule.cutoffs[0])
            level = SEVERITIES[severity[i]]
            found[i].append(Signal(rule.code, since, float(before[i]), float(now[i]), level))
    return found


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
    return wording.fill(rule.it if wording.checked(language) == "it" else rule.en, **said)
