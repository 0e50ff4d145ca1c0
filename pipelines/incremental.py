"""What of an earlier table of features is still true to the bit, and so need not be made again.

A value as of day d is made of what was known of its customer before d, and of the peers. So where
nothing that was known before the earlier run has been restated, its answers stand, however much
has happened since; the peers' columns are always made again. A question as of a new day is a new
question: its windows and ages have moved even for customers who did nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines import features, stable_hash, streams
from pipelines.as_of import evaluate
from pipelines.buckets import NAMES_INVOICES
from pipelines.events import Counts, Days, Flags, Floats, Rounded
from pipelines.features import BOOK, Peers
from pipelines.features.peers import PEERS
from pipelines.ledger import NEVER, Ledger, days, issue_days, rows_of
from pipelines.settlement import Settlement, settle
from pipelines.tables import TABLES

# All that features read; a bucket's other columns are left on the disk.
READ: Mapping[str, tuple[str, ...]] = {
    name: tuple(columns.split())
    for name, columns in {
        "customers": "customer_id country segment terms_code",
        "invoices": "invoice_id customer_id due_date issue_date recorded_at amount_cents "
        "terms_code company_code terms_days",
        "payments": "invoice_id customer_id paid_on returned_on recorded_at amount_cents "
        "discount_taken_cents",
        "credit_notes": "invoice_id customer_id issued_on recorded_at amount_cents",
        "disputes": "invoice_id opened_on closed_on",
        "promises": "invoice_id made_on promised_date",
        "credit_limits": "customer_id amount_cents insured_amount_cents valid_from",
        "external_ratings": "customer_id rated_on provider score scale_min scale_max "
        "higher_is_safer",
        "actions": "invoice_id action_code performed_on",
    }.items()
}
FEW = 0.8  # share of customers up to which parting them costs less than building them all


@dataclass(frozen=True)
class Earlier:
    """A bucket of an earlier run: what it answered, and what it then knew of each customer."""

    answers: pa.Table  # invoice_id, as_of, the book
    customers: pa.Table  # customer_id, digest of what was known before its as_of
    as_of: int

    @classmethod
    def read(cls, bucket: Path, *, as_of: int) -> "Earlier":
        answers, customers = (
            pq.read_table(bucket / f"{name}.parquet", use_threads=False)
            for name in ("features", "customers")
        )
        return cls(answers, customers, as_of)


@dataclass(frozen=True)
class Answers:
    """The book's values, one row for each question, and how many of them were kept.

    They are float32, as the model reads them: each the book's own value rounded once.
    """

    values: Rounded
    kept: int


@dataclass(frozen=True)
class Facts:
    """All that features can know of each customer: one number for each fact, and its day."""

    customer_ids: pa.Array
    owner: Counts  # row in customer_ids; one more for facts that no feature reads
    known_day: Days
    number: stable_hash.Hashes

    @classmethod
    def of(cls, ledger: Ledger) -> "Facts":
        customer_ids = _customer_ids(ledger)
        parts = [
            (owner[rows], known_day, number)
            for name, owner in _owners(ledger, customer_ids).items()
            for rows, known_day, number in _facts(name, ledger)
        ]
        owner, known_day, number = (np.concatenate(column) for column in zip(*parts, strict=True))
        return cls(customer_ids, owner, known_day, number)

    def digests(self, *, known_before: int) -> pa.Table:
        """One number for what was known of each customer; the order of rows is nothing.

        It is 64 bits: a customer's restated facts go unnoticed once in 2**64 restatements.
        """
        known = np.flatnonzero(self.known_day < known_before)
        total = np.zeros(len(self.customer_ids) + 1, np.uint64)
        np.add.at(total, self.owner[known], self.number[known])
        return pa.table({"customer_id": self.customer_ids, "digest": total[:-1]})


def _facts(name: str, ledger: Ledger) -> Iterator[tuple[Counts, Days, stable_hash.Hashes]]:
    """The rows of a table as facts; what a row tells later (its return) is a fact of its own."""
    declared, table = TABLES[name], ledger.tables()[name]
    told_later = {column for columns in declared.later.values() for column in columns}
    known_day = _known_day(name, table)
    if name in NAMES_INVOICES:  # a fact about an invoice is known once both are
        invoice_known = np.append(_known_day("invoices", ledger.invoices), -NEVER)
        known_day = np.maximum(known_day, invoice_known[_named_invoice(ledger, name)])
    firm = [column for column in READ[name] if column not in told_later]
    number = stable_hash.of_rows(table.select(firm), name)
    yield np.arange(table.num_rows), known_day, stable_hash.mix(number)

    for dated_by, columns in declared.later.items():
        if told := [column for column in columns if column in READ[name]]:
            rows = np.flatnonzero(table[dated_by].is_valid().to_numpy())
            later = stable_hash.of_rows(table.select(told).take(pa.array(rows)), dated_by)
            day = np.maximum(known_day[rows], days(table[dated_by])[rows])
            yield rows, day, stable_hash.mix(number[rows] ^ later)


def _known_day(name: str, table: pa.Table) -> Days:
    happened = TABLES[name].happened
    known_day: Days = np.full(table.num_rows, -NEVER, np.int32)
    if happened:
        known_day = issue_days(table) if name == "invoices" else days(table[happened])
    if "recorded_at" in table.column_names:
        known_day = np.maximum(known_day, days(table["recorded_at"], missing=-int(NEVER)))
    return known_day


def answer(
    ledger: Ledger,
    settlement: Settlement,
    invoice: Counts,
    as_of: Days,
    *,
    peers: Peers,
    earlier: Earlier | None = None,
    facts: Facts | None = None,
) -> Answers:
    """The book's values; where few customers have a new question, from the streams of those."""
    place = np.full(len(invoice), -1)
    if earlier is not None:
        facts = facts or Facts.of(ledger)
        place = _kept(ledger, invoice, as_of, earlier, facts)
    new = place < 0
    asked = np.zeros(len(settlement.customer_ids), bool)
    asked[settlement.customer[invoice[new]]] = True

    part, settled, row = ledger, settlement, invoice[new]
    if asked.sum() < FEW * len(asked):
        part, mine = _of_customers(ledger, settlement, asked)
        settled, row = settle(part), np.searchsorted(mine, row)
    made = np.empty((len(row), len(BOOK)), np.float32, order="F")
    features.fill(made, streams.build(part, settled), row, as_of[new], peers)
    if earlier is None:
        return Answers(made, 0)

    values = np.empty((len(invoice), len(BOOK)), np.float32, order="F")
    values[new] = made
    old = np.flatnonzero(~new)
    of_peers = _of_peers(ledger, settlement, invoice[old], as_of[old], peers)
    for column, name in enumerate(BOOK):
        values[old, column] = (
            of_peers[name] if name in of_peers else earlier.answers[name].to_numpy()[place[old]]
        )
    return Answers(values, len(old))


def same_bits(found: Rounded, expected: Rounded) -> Flags:
    """Where two tables of values have the same bits, or both have nothing."""
    equal: Flags = found.view(np.int32) == expected.view(np.int32)
    return equal | (np.isnan(found) & np.isnan(expected))


def _kept(ledger: Ledger, invoice: Counts, as_of: Days, earlier: Earlier, facts: Facts) -> Counts:
    """For each question its row among the earlier answers, -1 where they have none that stands."""
    now = facts.digests(known_before=earlier.as_of)
    before = rows_of(now["customer_id"], among=earlier.customers["customer_id"])
    then = np.append(earlier.customers["digest"].to_numpy(), np.uint64(0))[before]
    same = np.append((before >= 0) & (now["digest"].to_numpy() == then), False)

    ids = ledger.invoices.select(["invoice_id", "customer_id"]).take(pa.array(invoice))
    customer = rows_of(ids["customer_id"], among=now["customer_id"])
    stands = same[customer] & (as_of <= earlier.as_of)
    place = _rows_of_pairs(ids["invoice_id"], as_of, earlier.answers)
    return np.where(stands, place, -1)


def _rows_of_pairs(invoice_ids: pa.ChunkedArray, as_of: Days, answers: pa.Table) -> Counts:
    """For each invoice and day its row in the answers, -1 where it is not there."""
    ids = pc.unique(answers["invoice_id"])
    answered = (rows_of(answers["invoice_id"], among=ids) << 32) | answers["as_of"].cast(
        pa.int32()
    ).to_numpy()
    code = rows_of(invoice_ids, among=ids)
    wanted = (code << 32) | as_of
    if not len(answered):
        return np.full(len(wanted), -1)
    order = np.argsort(answered, kind="stable")
    at = order[np.minimum(np.searchsorted(answered[order], wanted), len(order) - 1)]
    return np.where((code >= 0) & (answered[at] == wanted), at, -1)


def _of_peers(
    ledger: Ledger, settlement: Settlement, invoice: Counts, as_of: Days, peers: Peers
) -> dict[str, Floats]:
    groups = streams.groups(ledger, settlement)
    values = evaluate(
        [feature.node for feature in PEERS],
        peers.events,
        owners=peers.owners(groups, invoice),
        as_of=as_of,
        inputs=peers.known(groups, invoice),
    )
    return {feature.name: values[:, at] for at, feature in enumerate(PEERS)}


def _of_customers(ledger: Ledger, settlement: Settlement, chosen: Flags) -> tuple[Ledger, Counts]:
    """The part of the ledger that belongs to these customers, and its rows of invoices."""
    keep = np.append(chosen, False)
    owners = _owners(ledger, settlement.customer_ids)
    tables = {
        name: ledger.tables()[name].filter(pa.array(keep[owner])) for name, owner in owners.items()
    }
    return Ledger.of(**tables), np.flatnonzero(keep[owners["invoices"]])


def _customer_ids(ledger: Ledger) -> pa.Array:
    both = [ledger.customers["customer_id"], ledger.invoices["customer_id"]]
    return pc.unique(pa.concat_arrays([ids.combine_chunks() for ids in both]))


def _owners(ledger: Ledger, customer_ids: pa.Array) -> dict[str, Counts]:
    """For each row that features read its customer: the invoice's that it names, else its own.

    A row that names an unknown invoice belongs to nobody, who has the last number: no feature
    reads it.
    """
    invoiced = rows_of(ledger.invoices["customer_id"], among=customer_ids)
    owners = {}
    for name in READ:
        table = ledger.tables()[name]
        owner = np.full(table.num_rows, -1)
        if "customer_id" in table.column_names:
            owner = rows_of(table["customer_id"], among=customer_ids)
        if name in NAMES_INVOICES:
            names_none = table["invoice_id"].is_null().to_numpy()
            of_invoice = np.append(invoiced, -1)[_named_invoice(ledger, name)]
            owner = np.where(names_none, owner, of_invoice)
        owners[name] = np.where(owner < 0, len(customer_ids), owner)
    return owners


def _named_invoice(ledger: Ledger, name: str) -> Counts:
    """For each row of a table the row of the invoice that it names, -1 where it names none."""
    named = ledger.tables()[name]["invoice_id"]
    row: Counts = rows_of(named, among=ledger.invoices["invoice_id"])
    return row
