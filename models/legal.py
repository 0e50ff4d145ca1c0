"""What the law allows and asks for: late interest, compensation, terms, prerequisites, thresholds.

D.Lgs. 231/2002 (Directive 2011/7/EU) for interest and terms, art. 633 c.p.c. for the order for
payment, art. 3 D.L. 132/2014 for assisted negotiation, art. 101(5) TUIR for small claims. Amounts
are taken to be in euro. This helps a person decide; it is no legal advice.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Cents = npt.NDArray[np.int64]
Days = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]
Semesters = npt.NDArray[np.int32]  # twice the year, plus one in the second half; -1 is none

STATUTORY_POINTS = 800  # hundredths of a point above the reference rate (art. 2 D.Lgs. 231/2002)
COMPENSATION_CENTS = 40_00  # for recovery costs, due with the first day of delay (art. 6)
NOTICE_DAYS = 15  # to pay after the formal notice (art. 1219 c.c. sets none: 7 to 15 are usual)
NEGOTIATION_UP_TO_CENTS = 50_000_00  # assisted negotiation comes before an ordinary suit up to here
SMALL_CLAIM_CENTS = 2_500_00  # deductible six months after the due date (art. 101(5) TUIR) ...
SMALL_CLAIM_LARGE_COMPANY_CENTS = 5_000_00  # ... or this, for the largest companies
RATE_DAYS = 365 * 10_000  # a hundredth of a point for a day, as a divisor


class MissingReferenceRate(LookupError):  # noqa: N818  (named as the block it becomes)
    """The table has no reference rate for a semester that the interest runs through."""

    def __init__(self, semester: str) -> None:
        super().__init__(
            f"the reference rate of {semester} is missing: add it to the table of reference rates"
        )
        self.semester = semester


class RatesError(ValueError):
    """The table of reference rates is not one; the message lists every fault."""


class Debtor(IntEnum):
    """Who owes: it decides which interest is due and what a machine may propose."""

    BUSINESS = 0
    PUBLIC_BODY = 1
    SOLE_TRADER = 2  # a natural person in business: interest is due, automatic decisions are not
    CONSUMER = 3


def debtors(natural_person: Flags, public_body: Flags, has_vat_id: Flags) -> npt.NDArray[np.int8]:
    """The kind of each debtor; a natural person with a VAT number is in business."""
    kinds = np.where(public_body, Debtor.PUBLIC_BODY, Debtor.BUSINESS)
    person = np.where(has_vat_id, Debtor.SOLE_TRADER, Debtor.CONSUMER)
    return np.where(natural_person, person, kinds).astype(np.int8)


def is_natural_person(debtor: npt.NDArray[np.int8]) -> Flags:
    """Those for whom an adverse action may only be proposed (GDPR 22, AI Act Annex III 5(b))."""
    is_person: Flags = (debtor == Debtor.SOLE_TRADER) | (debtor == Debtor.CONSUMER)
    return is_person


def terms_over_limit(terms_days: npt.ArrayLike, debtor: npt.NDArray[np.int8]) -> Flags:
    """Whether the terms need an agreement: over 60 days, or 30 for public bodies."""
    limit = np.where(debtor == Debtor.PUBLIC_BODY, 30.0, 60.0)
    over: Flags = (np.asarray(terms_days, np.float64) > limit) & (debtor != Debtor.CONSUMER)
    return over


def semester_name(semester: int) -> str:
    return f"{semester // 2}-H{semester % 2 + 1}"


def semester_start(semester: int) -> int:
    return (date(semester // 2, 1 + 6 * (semester % 2), 1) - date(1970, 1, 1)).days


def _semester_of(day: int) -> int:
    on = date.fromordinal(date(1970, 1, 1).toordinal() + day)
    return 2 * on.year + (on.month > 6)


@dataclass(frozen=True)
class ReferenceRates:
    """The European Central Bank's reference rate of each semester, in hundredths of a point."""

    points: Mapping[int, int]

    @classmethod
    def parse(cls, text: str) -> "ReferenceRates":
        """The rates of a CSV text with the columns semester (2026-H1), percent and source."""
        rows = csv.DictReader(io.StringIO(text))
        if rows.fieldnames is None or not {"semester", "percent", "source"} <= {*rows.fieldnames}:
            raise RatesError(f"expected columns semester, percent, source, got: {rows.fieldnames}")
        points: dict[int, int] = {}
        faults = []
        for row in rows:
            where = f"line {rows.line_num}"
            try:
                year, half = row["semester"].split("-H")
                semester = 2 * int(year) + {"1": 0, "2": 1}[half]
                hundredths = 100 * float(row["percent"])
                if not (2000 <= int(year) <= 2100 and 0 <= hundredths <= 5000):
                    raise ValueError
            except (ValueError, KeyError, AttributeError, TypeError):
                faults.append(f"{where}: expected a semester such as 2026-H1 and a percentage")
                continue
            if round(hundredths, 6) != round(hundredths):
                faults.append(f"{where}: percent must have at most two decimals")
            if semester in points:
                faults.append(f"{where}: {row['semester']} is written twice")
            if not (row["source"] or "").strip():
                faults.append(f"{where}: source is missing")
            points[semester] = round(hundredths)
        if faults:
            raise RatesError("\n".join(faults))
        return cls(points)

    @classmethod
    def load(cls, path: str | Path | None = None) -> "ReferenceRates":
        """The rates in a file, or those shipped."""
        return cls.parse(Path(path).read_text("utf-8")) if path else _shipped()


@cache
def _shipped() -> ReferenceRates:
    return ReferenceRates.parse(Path(__file__).with_name("reference_rates.csv").read_text("utf-8"))


class Accrued(NamedTuple):
    """Interest by claim; 0 where a rate is missing, with the first such semester (else -1)."""

    cents: Cents
    missing: Semesters


def accrue(open_cents: Cents, due_day: Days, until_day: Days, rates: ReferenceRates) -> Accrued:
    """Statutory interest from the day after the due date to `until_day`, both included.

    Each day earns open x (reference rate of its semester + 8 points) / 365; the sum is rounded
    half up to the cent, in exact integers.
    """
    first, last = due_day.astype(np.int64) + 1, until_day.astype(np.int64)
    points = np.zeros(first.shape, np.int64)
    missing = np.full(first.shape, -1, np.int32)
    late = first <= last
    if late.any():
        for semester in range(_semester_of(first[late].min()), _semester_of(last[late].max()) + 1):
            start, end = semester_start(semester), semester_start(semester + 1)
            days = np.minimum(last + 1, end) - np.maximum(first, start)
            days = np.where(late, np.maximum(days, 0), 0)
            if semester in rates.points:
                points += days * (rates.points[semester] + STATUTORY_POINTS)
            else:
                missing = np.where((days > 0) & (missing < 0), semester, missing)

    points = np.where(missing < 0, points, 0)
    whole, rest = np.divmod(np.maximum(open_cents, 0), RATE_DAYS)  # so that no product overflows
    cents = whole * points + (2 * rest * points + RATE_DAYS) // (2 * RATE_DAYS)
    return Accrued(cents, missing.astype(np.int32))


def late_interest_cents(
    open_cents: npt.ArrayLike,
    due_day: npt.ArrayLike,
    until_day: npt.ArrayLike,
    rates: ReferenceRates,
) -> Cents:
    """Statutory interest by claim; MissingReferenceRate names a semester that has no rate."""
    cents, due, until = np.broadcast_arrays(
        np.atleast_1d(np.asarray(open_cents, np.int64)),
        np.asarray(due_day, np.int32),
        np.asarray(until_day, np.int32),
    )
    accrued = accrue(cents, due, until, rates)
    if (accrued.missing >= 0).any():
        raise MissingReferenceRate(semester_name(int(accrued.missing[accrued.missing >= 0].min())))
    return accrued.cents


# The steps that are on the way to an ordinary suit.
NOTICE, NEGOTIATION = "messa_in_mora", "negoziazione_assistita"

# What a step needs in hand: the name of what is missing, unless one of these papers is there.
DOCUMENTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "messa_in_mora": {"recipient_address": ("has_address",)},
    "negoziazione_assistita": {"recipient_address": ("has_address",)},
    "decreto_ingiuntivo": {"contract_or_delivery_proof": ("has_contract", "has_delivery_proof")},
}


def missing_documents(step: str, papers: Mapping[str, Flags]) -> dict[str, Flags]:
    """For a legal step, each document by name with the claims that lack it."""
    lacking = {}
    for document, alternatives in DOCUMENTS.get(step, {}).items():
        there = papers[alternatives[0]]
        for paper in alternatives[1:]:
            there = there | papers[paper]
        lacking[document] = ~there
    return lacking


def notice_expired(notice_day: Days, as_of: Days) -> Flags:
    """Whether a formal notice was given and its term to pay has passed."""
    return notice_day.astype(np.int64) + NOTICE_DAYS < as_of


def negotiation_compulsory(claim_cents: Cents) -> Flags:
    """Whether assisted negotiation must come before an ordinary suit (never an injunction)."""
    return np.asarray(claim_cents) <= NEGOTIATION_UP_TO_CENTS


def earliest_day(step: str, due_day: Days) -> Days | None:
    """The first day on which the law lets a step be taken, None where it sets none."""
    return small_claim_day(due_day) if step == "write_off_review" else None


def small_claim_day(due_day: Days) -> Days:
    """The day a small claim becomes deductible: six months after it was due."""
    due = due_day.astype("datetime64[D]")
    month = due.astype("datetime64[M]")
    target = month + 6
    day_of_month = due - month.astype("datetime64[D]")
    last = (target + 1).astype("datetime64[D]") - np.timedelta64(1, "D")
    same_day = target.astype("datetime64[D]") + day_of_month
    moved: Days = (
        np.minimum(same_day, last).astype(np.int64).astype(np.int32)
    )  # 31 August: February
    return moved
