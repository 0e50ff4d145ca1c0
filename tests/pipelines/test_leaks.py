"""Nothing dated or recorded on a day or after it changes any feature as of that day, by any bit.

Four relations, because each alone misses leaks: what comes later is deleted, field by field;
extreme events are inserted; rows and ids are permuted; the call is repeated, in other company.
Each is shown to catch a leak planted for it.
"""

import copy
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledgers import BASE, Rows, askable, issue_day, ledger_rows, to_ledger

from pipelines import features, streams, synthetic
from pipelines.as_of import Node, evaluate
from pipelines.block import Context
from pipelines.events import Floats
from pipelines.features import BOOK, Peers
from pipelines.ledger import TABLES, Ledger
from pipelines.settlement import settle

Values = Callable[[Ledger, Sequence[str], int], Floats]

# Of each table: the day on which a row happened, and the fields that are told on a later one.
HAPPENED = {name: t.happened for name, t in TABLES.items() if t.happened}
TOLD_LATER = {
    "payments": {"returned_on": ("returned_on",)},
    "disputes": {"closed_on": ("closed_on", "outcome")},
    "invoices": {"delivered_on": ("delivered_on",)},
}
HUGE = 10**13


def book(ledger: Ledger, invoices: Sequence[str], as_of: int) -> Floats:
    """The features of these invoices as of a day."""
    settlement = settle(ledger)
    return features.compute(
        streams.build(ledger, settlement),
        rows_of(ledger, invoices),
        np.full(len(invoices), as_of, np.int32),
        Peers.build(ledger, settlement),
    )


def rows_of(ledger: Ledger, invoices: Sequence[str]) -> np.ndarray:
    place = {name: row for row, name in enumerate(ledger.invoices["invoice_id"].to_pylist())}
    return np.array([place[name] for name in invoices], np.int64)


def planted(leak: Callable[[Context], Floats]) -> Values:
    """Features with a fault: what `leak` reads."""

    def values(ledger: Ledger, invoices: Sequence[str], as_of: int) -> Floats:
        built = streams.build(ledger)
        rows = rows_of(ledger, invoices)
        return evaluate(
            [Node(("leak",), leak)],
            built.events,
            owners={"customer": built.customer[rows], "invoice": rows},
            as_of=np.full(len(rows), as_of),
            inputs={"row": rows.astype(float)},
        )

    return values


def all_payments(c: Context) -> Floats:
    """The customer's payments of all time: the future ones too."""
    paid, owner = c.events["paid"], c.owners["customer"]
    total = paid.total_of("amount", lambda: paid.columns["amount"])
    return (total[paid.start[owner + 1]] - total[paid.start[owner]]).astype(float)


def one_day_off(c: Context) -> Floats:
    """Up to and including as_of."""
    later = copy.copy(c)
    later.as_of, later._positions, later._windows, later._known = c.as_of + 1, {}, {}, {}
    return np.asarray(later.value(streams.paid.sum("amount")), float)


def row_number(c: Context) -> Floats:
    return np.asarray(c.inputs["row"], float)


def deleted(rows: Rows, as_of: int, asked: Sequence[str]) -> Rows:
    """The rows without anything that happened or was recorded on the day or after it.

    An invoice asked about stays: its own attributes are the question.
    """
    kept: Rows = {}
    for name, table in rows.items():
        kept[name] = []
        for row in copy.deepcopy(table):
            happened = issue_day(row) if name == "invoices" else row.get(HAPPENED.get(name, ""))
            days = [day for day in (happened, row.get("recorded_at")) if day is not None]
            if any(day >= as_of for day in days) and row.get("invoice_id") not in asked:
                continue
            if any(day >= as_of for day in days) and name != "invoices":
                continue
            for told, fields in TOLD_LATER.get(name, {}).items():
                if (row.get(told) or 0) >= as_of:
                    row.update(dict.fromkeys(fields))
            row.pop("status", None)
            kept[name].append(row)
    return kept


def inserted(rows: Rows, as_of: int) -> Rows:
    """The rows with extreme events on the day and after it, about everything there is."""
    more = copy.deepcopy(rows)
    for at, (name, customer) in enumerate(
        [(i["invoice_id"], i["customer_id"]) for i in rows["invoices"]]
    ):
        day = as_of + at % 3
        more["invoices"].append(
            {
                "invoice_id": f"new-{name}",
                "customer_id": customer,
                "issue_date": as_of - 5 if at % 2 else day,
                "due_date": as_of - 4 if at % 2 else day + 1,
                "recorded_at": day,
                "amount_cents": HUGE,
                "terms_code": "T1",
                "company_code": "1",
            }
        )
        for paid_on, recorded_at in ((day, None), (as_of - 9, day)):
            payment = {"paid_on": paid_on, "recorded_at": recorded_at, "amount_cents": HUGE}
            more["payments"].append({"invoice_id": name, **payment})
            more["payments"].append({"customer_id": customer, **payment})
        note = {"issued_on": day, "amount_cents": HUGE}
        more["credit_notes"].append({"invoice_id": name, **note})
        more["disputes"].append({"invoice_id": name, "opened_on": day})
        more["promises"].append(
            {"invoice_id": name, "made_on": day, "promised_date": day + 9, "status": "open"}
        )
        asked = {"customer_id": customer, "invoice_id": name, "performed_on": day}
        more["actions"].append({**asked, "action_code": "call"})
    for customer in {i["customer_id"] for i in rows["invoices"]}:
        limit = {"customer_id": customer, "valid_from": as_of, "amount_cents": HUGE}
        more["credit_limits"].append({**limit, "insured_amount_cents": HUGE})
        scale = {"scale_min": 0.0, "scale_max": 1.0, "higher_is_safer": True}
        rated = {"customer_id": customer, "rated_on": as_of, "score": 1.0, **scale}
        more["external_ratings"].append({**rated, "provider": "D&B"})
    for table, begins, told in (
        ("payments", "paid_on", "returned_on"),
        ("disputes", "opened_on", "closed_on"),
    ):
        for row in more[table]:
            if row.get(told) is None:
                row[told] = max(as_of, row[begins])
    return more


def permuted(rows: Rows, seed: int) -> tuple[Rows, dict[str, str]]:
    """The rows of every table in another order, with other ids; and the invoices' new ids."""
    rng = np.random.default_rng(seed)
    renamed: dict[str, dict[str, str]] = {}
    for column in ("invoice_id", "customer_id", "payment_id"):
        names = sorted({r[column] for t in rows.values() for r in t if r.get(column)})
        renamed[column] = {
            n: f"{k:05}" for n, k in zip(names, rng.permutation(len(names)), strict=True)
        }
    out: Rows = {}
    for name, table in rows.items():
        shuffled = [dict(table[i]) for i in rng.permutation(len(table))]
        for row in shuffled:
            for column, new in renamed.items():
                if row.get(column):
                    row[column] = new[row[column]]
        out[name] = shuffled
    return out, renamed["invoice_id"]


def same_bits(a: Floats, b: Floats) -> bool:
    return a.shape == b.shape and a.tobytes() == b.tobytes()


def holds_when_the_future_is_deleted(rows: Rows, as_of: int, values: Values = book) -> bool:
    asked = list(askable(rows, as_of))
    past = to_ledger(deleted(rows, as_of, asked))
    return same_bits(values(to_ledger(rows), asked, as_of), values(past, asked, as_of))


def holds_when_the_extreme_is_inserted(rows: Rows, as_of: int, values: Values = book) -> bool:
    asked = list(askable(rows, as_of))
    more = to_ledger(inserted(rows, as_of))
    return same_bits(values(to_ledger(rows), asked, as_of), values(more, asked, as_of))


def holds_when_rows_and_ids_are_permuted(rows: Rows, as_of: int, values: Values = book) -> bool:
    asked = list(askable(rows, as_of))
    other, renamed = permuted(rows, as_of)
    after = values(to_ledger(other), [renamed[name] for name in asked], as_of)
    return same_bits(values(to_ledger(rows), asked, as_of), after)


def holds_when_repeated(rows: Rows, as_of: int, values: Values = book) -> bool:
    """Asked again, asked one by one, and asked backwards."""
    asked, ledger = list(askable(rows, as_of)), to_ledger(rows)
    once = values(ledger, asked, as_of)
    again = values(ledger, asked, as_of)
    alone = [values(ledger, [name], as_of) for name in asked]
    backwards = values(ledger, asked[::-1], as_of)[::-1]
    one_by_one = np.concatenate(alone) if alone else once
    return same_bits(once, again) and same_bits(once, one_by_one) and same_bits(once, backwards)


RELATIONS = [
    holds_when_the_future_is_deleted,
    holds_when_the_extreme_is_inserted,
    holds_when_rows_and_ids_are_permuted,
    holds_when_repeated,
]


@pytest.mark.parametrize("holds", RELATIONS)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=ledger_rows(), as_of=st.integers(BASE - 1, BASE + 500))
def test_no_feature_sees_the_future_of_any_ledger(
    holds: Callable[[Rows, int], bool], rows: Rows, as_of: int
) -> None:
    assert holds(rows, as_of)


@pytest.fixture(scope="module")
def invented() -> Rows:
    ledger, _ = synthetic.generate(customers=12, months=12, seed=5)
    rows = {}
    for name, table in ledger.tables().items():
        dates = [f.name for f in table.schema if f.type == pa.date32()]
        for date in dates:
            at = table.schema.get_field_index(date)
            table = table.set_column(at, date, table[date].cast(pa.int32()))
        rows[name] = table.to_pylist()
    return rows


def middle(rows: Rows) -> int:
    """A day with payments, and with as much behind it as ahead."""
    return int(
        np.sort([payment["paid_on"] for payment in rows["payments"]])[len(rows["payments"]) // 2]
    )


@pytest.mark.parametrize("holds", RELATIONS[:3])
def test_no_feature_sees_the_future_of_an_invented_ledger(
    holds: Callable[[Rows, int], bool], invented: Rows
) -> None:
    assert holds(invented, middle(invented))


def repeats_differ() -> Values:
    """Values that remember having been asked."""
    calls: list[int] = []

    def values(ledger: Ledger, invoices: Sequence[str], as_of: int) -> Floats:
        calls.append(1)
        return np.full((len(invoices), 1), float(len(calls)))

    return values


@pytest.mark.parametrize(
    ("holds", "leak"),
    [
        (holds_when_the_future_is_deleted, planted(all_payments)),
        (holds_when_the_future_is_deleted, planted(one_day_off)),
        (holds_when_the_extreme_is_inserted, planted(all_payments)),
        (holds_when_the_extreme_is_inserted, planted(one_day_off)),
        (holds_when_rows_and_ids_are_permuted, planted(row_number)),
        (holds_when_repeated, repeats_differ()),
    ],
)
def test_a_planted_leak_is_caught(
    holds: Callable[[Rows, int, Values], bool], leak: Values, invented: Rows
) -> None:
    assert not holds(invented, middle(invented), leak)


@pytest.mark.parametrize("holds", RELATIONS)
def test_what_reads_only_the_past_is_not_accused(
    holds: Callable[[Rows, int, Values], bool], invented: Rows
) -> None:
    node = next(iter(BOOK.values())).node
    few = {**invented, "invoices": invented["invoices"][:60]}
    assert holds(few, middle(few), planted(lambda c: np.asarray(c.value(node), float)))
