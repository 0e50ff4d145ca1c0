"""Ledgers for tests: drawn as text tables, or invented by hypothesis with all their nasty parts."""

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from pipelines.ledger import TABLES, Ledger

Row = dict[str, Any]
Rows = dict[str, list[Row]]

BASE = 19723  # 2024-01-01, a Monday: day 0 of drawn and invented ledgers


def to_ledger(rows: Rows) -> Ledger:
    """The ledger of these rows; a column that no row names is null."""
    tables: dict[str, dict[str, list[Any]]] = {}
    for name, table in rows.items():
        columns = [c.stored for c in TABLES[name].columns if any(c.stored in row for row in table)]
        tables[name] = {column: [row.get(column) for row in table] for column in columns}
    return Ledger.of(**tables)


def drawn(text: str) -> Rows:
    """Rows from a drawing: a table's name, its columns, then its rows; `-` is null.

    Days are counted from Monday 1 January 2024, money is written in units with two decimals.
    """
    rows: Rows = {name: [] for name in TABLES}
    table, columns = "", [""]
    for line in filter(None, map(str.strip, text.splitlines())):
        words = line.split()
        if words[0] in TABLES and len(words) > 1:
            table, columns = words[0], words[1:]
        else:
            cells = zip(columns, words, strict=True)
            rows[table].append(dict(_cell(table, column, word) for column, word in cells))
    for customer in {i["customer_id"] for i in rows["invoices"]}:
        if customer not in {c["customer_id"] for c in rows["customers"]}:
            rows["customers"].append({"customer_id": customer})
    return rows


def _cell(table: str, name: str, word: str) -> tuple[str, Any]:
    column = TABLES[table].column(name)
    if word == "-":
        return column.stored, None
    if column.kind == "date":
        return column.stored, BASE + int(word)
    if column.kind == "amount":
        return column.stored, round(float(word) * 100)
    if column.kind == "flag":
        return column.stored, word == "yes"
    as_written = {"whole": int, "number": float}.get(column.kind, str)
    return column.stored, as_written(word)


# Few different days and amounts, so that events meet: the same day, the same amount, nothing left.
DAYS = st.one_of(
    st.integers(BASE, BASE + 60),
    st.integers(BASE, BASE + 500),
    st.sampled_from([BASE, BASE + 30, BASE + 31, BASE + 90, BASE + 365]),
)
AMOUNTS = st.one_of(
    st.sampled_from([0, 1, 100, 101, 50_00, 100_00, 123_45, 10**12, -50_00]),
    st.integers(1, 300_00),
)
PARTS = st.sampled_from([1.0, 1.0, 1.0, 0.5, 0.25, 0.996, 1.3, 2.0, 0.0])


def _maybe(strategy: st.SearchStrategy[Any], none: int = 3) -> st.SearchStrategy[Any]:
    """Null more often than not."""
    return st.one_of(*[st.none()] * none, strategy)


@st.composite
def _invoices(draw: st.DrawFn, customers: list[str]) -> list[Row]:
    count = draw(st.integers(0, 9))
    rows = []
    for number in range(count):
        issue = draw(DAYS)
        rows.append(
            {
                "invoice_id": f"I{number}",
                "customer_id": draw(st.sampled_from(customers)),
                "issue_date": draw(st.sampled_from([issue, issue, issue, None])),
                "due_date": issue + draw(st.sampled_from([0, 14, 30, 30, 60])),
                "amount_cents": draw(AMOUNTS),
                "terms_days": draw(_maybe(st.sampled_from([14, 30]))),
                "terms_code": draw(st.sampled_from(["T1", "T2", None])),
                "company_code": draw(st.sampled_from(["1", "2", None])),
                "recorded_at": draw(_maybe(st.just(issue + 5))),
            }
        )
    return rows


@st.composite
def _payments(draw: st.DrawFn, customers: list[str], invoices: list[Row]) -> list[Row]:
    rows = []
    for number in range(draw(st.integers(0, 14))):
        paid_on = draw(DAYS)
        known = draw(st.booleans()) if invoices else False
        invoice = draw(st.sampled_from(invoices)) if known else None
        amount = abs(invoice["amount_cents"]) if invoice else draw(st.integers(0, 200_00))
        rows.append(
            {
                "payment_id": f"P{number}",
                "invoice_id": invoice["invoice_id"] if invoice else draw(_maybe(st.just("gone"))),
                "customer_id": draw(st.sampled_from([*customers, None])),
                "paid_on": paid_on,
                "amount_cents": round(amount * draw(PARTS)),
                "discount_taken_cents": draw(_maybe(st.just(2_00), none=5)),
                "returned_on": draw(_maybe(st.integers(paid_on, paid_on + 40))),
                "recorded_at": draw(_maybe(st.integers(paid_on, paid_on + 40))),
            }
        )
    return rows


@st.composite
def _of_invoices(
    draw: st.DrawFn, invoices: list[Row], begins: str, more: dict[str, Any], most: int
) -> list[Row]:
    """Rows about invoices, dated `begins`; `more` gives a strategy, or days after, for a column."""
    rows = []
    for _ in range(draw(st.integers(0, most)) if invoices else 0):
        day = draw(DAYS)
        row = {"invoice_id": draw(st.sampled_from(invoices))["invoice_id"], begins: day}
        for column, how in more.items():
            value = draw(how)
            row[column] = (
                value + day if isinstance(value, int) and column.endswith("_on") else value
            )
        rows.append(row)
    return rows


@st.composite
def _ratings(draw: st.DrawFn, customers: list[str]) -> list[Row]:
    scale = st.sampled_from([(0.0, 100.0, True), (1.0, 5.0, False), (None, 100.0, True)])
    rows = []
    for _ in range(draw(st.integers(0, 5))):
        low, high, safer = draw(scale)
        rows.append(
            {
                "customer_id": draw(st.sampled_from(customers)),
                "rated_on": draw(DAYS),
                "provider": "D&B" if safer else "other",
                "score": draw(st.sampled_from([1.0, 2.5, 4.0, 5.0])),
                "scale_min": low,
                "scale_max": high,
                "higher_is_safer": safer,
            }
        )
    return rows


@st.composite
def ledger_rows(draw: st.DrawFn) -> Rows:
    """A whole ledger: returned, late-booked, over- and zero payments, credit notes, disputes."""
    customers = [f"C{i}" for i in range(draw(st.integers(1, 3)))]
    invoices = draw(_invoices(customers))
    later = _maybe(st.integers(0, 60))
    credit = draw(
        _of_invoices(invoices, "issued_on", {"amount_cents": AMOUNTS, "recorded_at": st.none()}, 3)
    )
    for note in credit:
        note["amount_cents"] = abs(note["amount_cents"])
        if draw(st.integers(0, 3)) == 0:
            note.update(invoice_id=None, customer_id=customers[0])
        if draw(st.integers(0, 3)) == 0:
            note["recorded_at"] = note["issued_on"] + 7
    promises = draw(_of_invoices(invoices, "made_on", {"status": st.just("kept")}, 3))
    for promise in promises:
        promise["promised_date"] = draw(_maybe(st.just(promise["made_on"] + 10), none=1))
    asked = st.sampled_from(["reminder_1", "call", "statement"])
    actions = draw(_of_invoices(invoices, "performed_on", {"action_code": asked}, 4))
    owner = {invoice["invoice_id"]: invoice["customer_id"] for invoice in invoices}
    for action in actions:  # what is read in about another's invoice goes into quarantine
        action["customer_id"] = owner[action["invoice_id"]]
    limits = [
        {
            "customer_id": draw(st.sampled_from(customers)),
            "valid_from": draw(DAYS),
            "amount_cents": draw(st.sampled_from([0, 100_00, 250_00, 10**12])),
            "insured_amount_cents": draw(_maybe(st.integers(0, 100_00), none=1)),
        }
        for _ in range(draw(st.integers(0, 4)))
    ]
    country, segment = st.sampled_from(["IT", "SE", None]), st.sampled_from(["big", "small", None])
    return {
        "customers": [
            {"customer_id": c, "country": draw(country), "segment": draw(segment)}
            for c in customers
        ],
        "invoices": invoices,
        "payments": draw(_payments(customers, invoices)),
        "credit_notes": credit,
        "disputes": draw(_of_invoices(invoices, "opened_on", {"closed_on": later}, 3)),
        "promises": promises,
        "actions": actions,
        "credit_limits": limits,
        "external_ratings": draw(_ratings(customers)),
    }


def issue_day(invoice: Row) -> int:
    """As the ledger has it: without an issue date, its terms or 30 days before it is due."""
    if invoice.get("issue_date") is not None:
        return int(invoice["issue_date"])
    terms = invoice.get("terms_days")
    return int(invoice["due_date"]) - (30 if terms is None else int(terms))


def askable(rows: Rows, as_of: int) -> Iterable[str]:
    """The invoices that can be asked about on a day: those issued on it or before."""
    return [i["invoice_id"] for i in rows["invoices"] if issue_day(i) <= as_of]
