"""The cause hints held against the truth of an invented ledger, and the page that shows it.

The truth is only compared with: no rule reads it. `docs/causes.md` is `markdown()`, from an
invented company other than the one that the rules were looked at with.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date

import numpy as np

from models import causes, signals
from pipelines import landmarks, onset, synthetic
from pipelines.asked import Asked
from pipelines.features import Peers
from pipelines.landmarks import Prepared
from pipelines.ledger import Ledger
from pipelines.settlement import is_open
from pipelines.synthetic import Truth

SEED = 7  # the rules were written looking at seed 0
LOOKS = tuple(date(year, month, 1) for year, month in ((2025, 10), (2026, 1), (2026, 4), (2026, 7)))
ON_TIME = "on time"
TRUE_CAUSES = (*causes.CODES, ON_TIME)

Counts = Counter[tuple[bool, str, str]]  # overdue, true cause, hint

_HEAD = """# Cause hints against the truth

`cause_hint` says in one word why an invoice is or will be paid late: rules over features and
signals, in `models/causes.py`, that anyone can read. An invented ledger knows the true causes, so
the hints can be counted against them; the rules never read the truth. This page is made by
`pipelines.hint_check.markdown()`, from open invoices of an invented company (seed {seed}, 200
customers) as of {days}.

Rows are the true cause, columns the hint. "On time" are invoices that were paid on time in the end,
or had been, but it was not booked yet. An invented "unknown" is a late payment of a customer who
has neither trouble nor the habit: a bad month, a newcomer.
"""


def confusion(ledger: Ledger, truth: Truth, looks: Sequence[date]) -> Counts:
    """How often each true cause got each hint, of overdue invoices and of those not yet due."""
    prepared = landmarks.prepare(ledger)
    true_cause = dict(
        zip(
            truth.invoices["invoice_id"].to_pylist(),
            truth.invoices["cause"].fill_null(ON_TIME).to_pylist(),
            strict=True,
        )
    )
    invoices = ledger.invoices["invoice_id"].to_pylist()
    counts: Counts = Counter()
    for look in looks:
        asked = _open_on(prepared, int(np.datetime64(look, "D").astype(int)))
        hints = causes.cause_hint(
            asked.columns, signals.detect(asked.columns, standing=onset.standing(asked))
        )
        for row, age, hint in zip(asked.invoice.tolist(), asked.age, hints.codes, strict=True):
            counts[bool(age > 0), true_cause[invoices[row]], hint] += 1
    return counts


def _open_on(prepared: Prepared, as_of: int) -> Asked:
    rows = np.flatnonzero(is_open(prepared.settlement, as_of))
    day = np.full(len(rows), as_of, np.int32)
    peers = Peers.empty()  # no rule of a cause reads them
    taken = landmarks.take(prepared, rows, day, peers=peers)
    return Asked(taken, prepared, rows, as_of, peers)


def recall(counts: Counts, cause: str) -> float:
    """The share of overdue invoices late for this cause whose hint says so."""
    return _share(counts, [(True, cause, hint) for hint in causes.CODES], cause)


def precision(counts: Counts, hint: str) -> float:
    """The share of overdue invoices with this hint that are late for that cause."""
    return _share(counts, [(True, cause, hint) for cause in TRUE_CAUSES], hint)


def _share(counts: Counts, among: Sequence[tuple[bool, str, str]], code: str) -> float:
    return counts[True, code, code] / max(sum(counts[cell] for cell in among), 1)


def markdown() -> str:
    """The page `docs/causes.md`."""
    counts = confusion(*synthetic.generate(customers=200, seed=SEED), LOOKS)
    days = ", ".join(look.isoformat() for look in LOOKS)
    lines = [_HEAD.format(seed=SEED, days=days)]
    lines += ["## Overdue invoices\n", *_matrix(counts, overdue=True), ""]
    lines += ["| cause | found where it is true | true where it is hinted |", "|---|---|---|"]
    lines += [
        f"| {code} | {recall(counts, code):.0%} | {precision(counts, code):.0%} |"
        for code in causes.CODES
    ]
    lines += ["\n## Invoices not yet due\n", *_matrix(counts, overdue=False)]
    return "\n".join(lines) + "\n"


def _matrix(counts: Counts, *, overdue: bool) -> Iterator[str]:
    yield "| true cause | " + " | ".join(causes.CODES) + " |"
    yield "|---|" + "---|" * len(causes.CODES)
    for cause in TRUE_CAUSES:
        cells = (f"{counts[overdue, cause, hint]:,}" for hint in causes.CODES)
        yield f"| {cause} | " + " | ".join(cells) + " |"
