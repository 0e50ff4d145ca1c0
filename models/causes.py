"""Why a customer pays late, in one word with its evidence: rules to be read and argued with."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import compress
from typing import NamedTuple

import numpy as np

from models import signals as warnings
from models import wording
from models.claims import Claim, Columns, Flags, require
from models.signals import Signal


@dataclass(frozen=True)
class Evidence:
    """One thing that points to a cause: the claims that must hold together, and how to say it."""

    code: str
    claims: tuple[Claim, ...]
    it: str
    en: str

    @classmethod
    def of(cls, code: str, claims: str, it: str, en: str) -> "Evidence":
        return cls(code, tuple(Claim.parse(claim) for claim in claims.split(" and ")), it, en)

    def seen(self, columns: Columns) -> Flags:
        seen = self.claims[0].holds(columns)
        for claim in self.claims[1:]:
            seen = seen & claim.holds(columns)
        return seen


@dataclass(frozen=True)
class Cause:
    """A cause, and how many of its evidences must be seen together to name it."""

    code: str
    it: str
    en: str
    enough: int
    evidence: tuple[Evidence, ...]


# In this order: the first cause with enough evidence is the hint. A dispute explains this invoice
# whatever the customer does with the others; and a customer who slides is told from one who has
# always been late. Signals stand as 1 (low), 2 (medium) or 3 (high).
CAUSES = (
    Cause(
        "administrative",
        "amministrativa",
        "administrative",
        1,
        (
            Evidence.of(
                "disputed",
                "disputed > 0",
                "la fattura è contestata",
                "the invoice is disputed",
            ),
            Evidence.of(
                "short_paid",  # a small rest is a deduction; half an invoice is lack of money
                "paid_share >= 0.8 and paid_share < 1",
                "la fattura è pagata quasi per intero, resta una differenza",
                "the invoice is paid but for a small difference",
            ),
            Evidence.of(
                "unallocated_cash",
                "unallocated >= amount and days_to_due < -7",  # less or earlier explains nothing
                "c'è un incasso non ancora abbinato che coprirebbe la fattura",
                "there is cash not yet matched that would cover the invoice",
            ),
            Evidence.of(
                "left_behind",  # the customer pays, only this one got lost on the way
                "days_to_due < -10 and -days_to_due > delay_max_365 and n_overdue <= 2"
                " and delay_drift < 5 and n_settled >= 5",
                "è in ritardo come nessun'altra, mentre le altre vengono pagate come sempre",
                "it is late as no other was, while the others are paid as ever",
            ),
            Evidence.of(
                "short_payer",
                "short_share >= 0.3 and n_settled >= 3",
                "paga spesso un importo inferiore alla fattura",
                "often pays less than the invoice",
            ),
        ),
    ),
    Cause(
        "difficulty",
        "difficoltà a pagare",
        "difficulty in paying",
        2,
        (
            Evidence.of(
                "delay_drift",
                "signal_delay_drift >= 2",
                "i pagamenti arrivano molto più tardi di prima",
                "payments come much later than before",
            ),
            Evidence.of(
                "silence",
                "signal_periodicity_break >= 1",
                "non paga da molto più tempo del solito",
                "has been silent for much longer than usual",
            ),
            Evidence.of(
                "unpaid_growing",
                "signal_paid_vs_invoiced_gap >= 2",
                "gran parte di quanto è scaduto di recente non è stata pagata",
                "most of what fell due recently was not paid",
            ),
            Evidence.of(
                "prolonged_overdue",
                "oldest_overdue_age >= 60 and overdue_share >= 0.3",  # not one lost among many
                "buona parte di quanto deve è scaduta, qualcosa da mesi",
                "much of what is owed is overdue, some of it for months",
            ),
            Evidence.of(
                "much_overdue",
                "overdue_share >= 0.5 and n_overdue >= 3",
                "più di metà di quanto deve è scaduta",
                "more than half of what is owed is overdue",
            ),
            Evidence.of(
                "broken_promise",
                "signal_broken_promise >= 1",
                "ha promesso di pagare la fattura e non l'ha fatto",
                "promised to pay the invoice and did not",
            ),
            Evidence.of(
                "credit_line_cut",
                "signal_credit_line_cut >= 1",
                "il suo fido è stato ridotto",
                "its credit limit was cut",
            ),
            Evidence.of(
                "part_payments",  # now and then; who does it always is short paying
                "n_partial_365 >= 3 and short_share < 0.3 and overdue_share >= 0.5",
                "nell'ultimo anno ha pagato più volte a pezzi",
                "paid in pieces several times over the last year",
            ),
        ),
    ),
    Cause(
        "habit",
        "abitudine a pagare tardi",
        "habit of paying late",
        1,
        (
            Evidence.of(
                "mostly_late",
                "late0_share_365 >= 0.5 and n_settled >= 6 and delay_drift < 10",
                "paga in ritardo la maggior parte delle fatture, da sempre",
                "pays most invoices late, as ever",
            ),
            Evidence.of(
                "late_by_weeks",
                "delay_mean_365 >= 10 and n_settled >= 6 and delay_drift < 10",
                "paga di regola con settimane di ritardo",
                "as a rule pays weeks late",
            ),
        ),
    ),
    Cause("unknown", "non nota", "unknown", 0, ()),
)
CODES = tuple(cause.code for cause in CAUSES)


class Hints(NamedTuple):
    """For each row the likely cause and the codes of the evidence seen for it."""

    codes: list[str]
    evidence: list[list[str]]


def cause_hint(values: Columns, signals: Sequence[Sequence[Signal]]) -> Hints:
    """The likely cause of each row's delay, from its feature columns and its signals."""
    columns = {**values, **warnings.severities(signals)}
    require(columns, _needed(), for_what="the rules of the cause")

    rows = len(signals)
    codes = [""] * rows
    told: list[list[str]] = [[] for _ in range(rows)]
    undecided = np.ones(rows, np.bool_)
    for cause in CAUSES:
        if not undecided.any():
            break
        seen = np.zeros((len(cause.evidence), rows), np.bool_)
        for of_rows, evidence in zip(seen, cause.evidence, strict=True):
            of_rows[:] = evidence.seen(columns)
        named = undecided & (np.count_nonzero(seen, axis=0) >= cause.enough)
        names = [evidence.code for evidence in cause.evidence]
        for i in np.flatnonzero(named).tolist():
            codes[i] = cause.code
            told[i] = list(compress(names, seen[:, i].tolist()))
        undecided &= ~named
    return Hints(codes, told)


def sentence(code: str, language: str) -> str:
    """A cause, or one evidence, as a person would say it."""
    said = _sentences()
    if code not in said:
        raise ValueError(f"cause or evidence must be one of {', '.join(said)}, got: {code}")
    return said[code][wording.checked(language) == "en"]


@cache
def _needed() -> frozenset[str]:
    claims = (claim for cause in CAUSES for evidence in cause.evidence for claim in evidence.claims)
    return frozenset[str]().union(*(claim.names for claim in claims))


@cache
def _sentences() -> dict[str, tuple[str, str]]:
    said = {e.code: (e.it, e.en) for cause in CAUSES for e in cause.evidence}
    return said | {cause.code: (cause.it, cause.en) for cause in CAUSES}
