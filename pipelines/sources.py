"""Where a ledger comes from: a folder of CSV or Parquet files, a database, or a foreign export.

    intake = read("exports/", mapping="sap_items", today=date.today())

A source is refused whole (`IntakeRefused`, with every fault) when it cannot be understood; a row
is quarantined when only it cannot.
"""

import fnmatch
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path, PurePath
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.intake import databases
from pipelines.intake.cells import Format
from pipelines.intake.files import SUFFIXES, IntakeRefused, Raw, read_file, sha256
from pipelines.intake.mapped import Reading, apply, own_names
from pipelines.intake.mapping import Mapping as Plan
from pipelines.intake.mapping import Part, load, shipped
from pipelines.job import RECORDS
from pipelines.ledger import Ledger
from pipelines.quarantine import Accepted, accept
from pipelines.tables import TABLES

_Path = TypeVar("_Path", bound=PurePath)

__all__ = ["Intake", "IntakeRefused", "read", "shipped"]


@dataclass(frozen=True)
class Intake:
    """A ledger that has come in, and the account of every row that has not."""

    ledger: Ledger
    quarantine: pa.Table
    counts: dict[str, dict[str, int]]  # table -> rows read, accepted, quarantined
    reconciliation: pa.Table
    flags: pa.Table  # accepted rows that are worth knowing of, in quarantine's columns
    revisions: pa.Table  # what re-sent rows said before
    left_out: dict[str, int]  # file -> rows that the mapping takes for nothing
    warnings: tuple[str, ...]
    files: dict[str, str]  # file -> sha256
    currency: str

    @property
    def fingerprint(self) -> str:
        """A hash of the ledger's content: the same files read twice give the same one."""
        digest = hashlib.sha256(self.currency.encode())
        for name, table in self.ledger.tables().items():
            sink = pa.BufferOutputStream()
            whole = table.combine_chunks()
            with pa.ipc.new_stream(sink, whole.schema) as writer:
                writer.write_table(whole)
            digest.update(name.encode())
            digest.update(sink.getvalue())
        return digest.hexdigest()

    @property
    def quarantined_share(self) -> float:
        """The largest share of a table's rows that went to quarantine."""
        return max(
            (c["quarantined"] / c["read"] for c in self.counts.values() if c["read"]), default=0.0
        )

    def raise_if_over(self, share: float) -> None:
        """Stops the run when more than this share of some table's rows is in quarantine."""
        over = [
            f"{name}: {count['quarantined']:,} of {count['read']:,} rows in quarantine, "
            f"at most {share:.1%}: {_reasons(self.quarantine, name)}"
            for name, count in self.counts.items()
            if count["quarantined"] > share * count["read"]
        ]
        if over:
            raise IntakeRefused(over)


def read(
    source: str | Path,
    *,
    mapping: str | Path | None = None,
    ledger_currency: str | None = None,
    zone: str | None = None,
    today: date | None = None,
    sent: Mapping[str, Raw] | None = None,
) -> Intake:
    """The ledger that the source holds: files or tables of its names, or what a mapping says.

    `sent` are rows that came one request at a time: they are read beside the source, or alone
    where the source is `records`.
    The currency is the one given, else the mapping's, else EUR; moments become days in `zone`
    (the one given, else the mapping's, else Europe/Rome). IntakeRefused lists every fault found.
    """
    plan = load(mapping) if mapping is not None else Plan("", Format(), None, ())
    form = replace(plan.form, zone=zone or plan.form.zone)
    currency = ledger_currency or plan.currency or "EUR"
    hashes: dict[str, str] = {}
    read_once: dict[str, list[Raw]] = {}
    if str(source) == RECORDS:
        files: dict[str, Raw] = {}
        parts: list[tuple[Part, list[Raw]]] = []
    elif "://" in str(source):
        files = databases.read_tables(str(source))
        parts = [(own_names(TABLES[name], raw), [raw]) for name, raw in files.items()]
    else:
        paths = files_of(Path(source))
        found = _mapped_files(plan, paths) if plan.parts else named_files(paths)
        read_once, hashes = _read_all(found, form)
        files = {name: raws[0] for name, raws in read_once.items() if raws}
        parts = (
            [(part, read_once[part.file]) for part in plan.parts]
            if plan.parts
            else [(own_names(TABLES[n], r), [r]) for n, raws in read_once.items() for r in raws]
        )
    parts += [(own_names(TABLES[name], raw), [raw]) for name, raw in (sent or {}).items()]
    notes = [] if plan.parts else _own_faults(parts, is_records=str(source) == RECORDS)
    reading = apply(parts, files, form)
    del files, parts, read_once  # as they came: of a large ledger too much to keep meanwhile
    accepted = accept(reading.gathered(), ledger_currency=currency, today=today)
    return _intake(accepted, reading, notes, hashes, currency)


def files_of(source: Path) -> list[Path]:
    """The CSV and Parquet files of a folder, or the one file; raises IntakeRefused."""
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise IntakeRefused([f"source must be a folder, a file or a database URL, got: {source}"])
    paths = sorted(p for p in source.rglob("*") if p.is_file() and not p.name.startswith("."))
    if odd := [p.name for p in paths if p.suffix in (".xlsx", ".xls", ".zip", ".gz")]:
        raise IntakeRefused([f"{name}: expected CSV or Parquet files" for name in odd])
    return [path for path in paths if path.suffix in SUFFIXES]


def named_files(paths: Sequence[_Path]) -> dict[str, list[_Path]]:
    """The files of each table: named after it, numbered after it, or in a folder of its name."""
    found: dict[str, list[_Path]] = {}
    for path in paths:
        for name in TABLES:
            numbered = fnmatch.fnmatch(path.stem, f"{name}[-_.]*")
            if path.stem == name or numbered or path.parent.name == name:
                found.setdefault(name, []).append(path)
                break
    return found


def _mapped_files(plan: Plan, paths: Sequence[Path]) -> dict[str, list[Path]]:
    """The files that the mapping names, by its patterns; a lone file answers a lone pattern."""
    links = [link for part in plan.parts for link in (part.join, part.without) if link]
    patterns = sorted({part.file for part in plan.parts} | {link.file for link in links})
    found = {p: [path for path in paths if fnmatch.fnmatch(path.stem, p)] for p in patterns}
    if len(patterns) == 1 and len(paths) == 1:
        found = {patterns[0]: list(paths)}
    optional = {part.file for part in plan.parts if part.table not in ("invoices",)}
    absent = [p for p in patterns if not found[p] and p not in optional]
    if absent:
        raise IntakeRefused(
            [f"expected a file {p}.csv or {p}.parquet, got: {_names(paths)}" for p in absent]
        )
    return found


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(path.name for path in paths[:20]) or "no CSV or Parquet file"


def _read_all(
    found: Mapping[str, Sequence[Path]], form: Format
) -> tuple[dict[str, list[Raw]], dict[str, str]]:
    """Every file read once, with its hash; the faults of all files are told together."""
    raws: dict[str, list[Raw]] = {}
    hashes: dict[str, str] = {}
    faults: list[str] = []
    for name, paths in found.items():
        raws[name] = []
        for path in paths:
            try:
                raws[name].append(read_file(path, form))
                hashes[path.name] = sha256(path)
            except IntakeRefused as refused:
                faults += refused.faults
    if faults:
        raise IntakeRefused(faults)
    return raws, hashes


def _own_faults(
    parts: Sequence[tuple[Part, Sequence[Raw]]], *, is_records: bool = False
) -> list[str]:
    """Refuses where tables or columns that a ledger needs are absent; notes what is ignored.

    Of records only invoices are needed: no payment may have come yet.
    """
    faults, notes = [], []
    present = {part.table for part, _ in parts}
    if is_records and "invoices" not in present:
        raise IntakeRefused(["no invoice has been sent in or pulled yet"])
    for name, table in TABLES.items():
        if table.required and name not in present and not is_records:
            faults.append(
                f"expected {name}.csv or {name}.parquet or a table {name}, got none; a foreign "
                f"export needs a mapping, such as {', '.join(shipped())}"
            )
    for part, raws in parts:
        for raw in raws:
            faults += lacking_columns(part, raw)
            if extra := [c for c in raw.table.column_names if c not in part.columns]:
                notes.append(f"{raw.source}: columns unknown to a ledger: {', '.join(extra)}")
    rows = dict.fromkeys(present, 0)
    for part, raws in parts:
        rows[part.table] += sum(raw.table.num_rows for raw in raws)
    faults += [
        f"{name}: expected rows, got only a header"
        for name, count in rows.items()
        if not count and TABLES[name].required
    ]
    if faults:
        raise IntakeRefused(faults)
    return notes


def lacking_columns(part: Part, raw: Raw) -> list[str]:
    """The refusal of rows without a column that their table needs; nothing where all are there."""
    lacking = [
        c.name for c in TABLES[part.table].columns if c.required and c.name not in part.columns
    ]
    dated = "issue_date" in part.columns and {"terms_days", "terms_code"} & part.columns.keys()
    if not (lacking := [name for name in lacking if not (name == "due_date" and dated)]):
        return []
    return [
        f"{raw.source}: expected columns {', '.join(lacking)}, got: "
        f"{', '.join(raw.table.column_names[:30])}; is the header missing or renamed?"
    ]


def _intake(
    accepted: Accepted, reading: Reading, notes: list[str], files: dict[str, str], currency: str
) -> Intake:
    counts: dict[str, dict[str, int]] = {}
    for total in accepted.reconciliation.to_pylist():
        counts[total["table"]] = {
            kind: total[f"{kind}_rows"] for kind in ("read", "accepted", "quarantined")
        }
    warnings = list(notes)
    if accepted.customers_made:
        made = accepted.ledger.customers.num_rows
        warnings.append(f"no customers in the source: {made:,} made from the rows that name them")
    warnings += [
        f"{name}: {rows:,} rows left out by the mapping" for name, rows in reading.left_out.items()
    ]
    payments = accepted.ledger.payments
    cash = payments.filter(payments["invoice_id"].is_null())
    if cash.num_rows:
        total = sum(cash["amount_cents"].to_pylist())
        warnings.append(
            f"payments: {cash.num_rows:,} without an invoice, "
            f"{total / 100:,.2f} {currency} unallocated"
        )
    warnings += _flag_sentences(accepted.flags)
    return Intake(
        ledger=accepted.ledger,
        quarantine=accepted.quarantine,
        counts=counts,
        reconciliation=accepted.reconciliation,
        flags=accepted.flags,
        revisions=accepted.revisions,
        left_out=reading.left_out,
        warnings=tuple(warnings),
        files=files,
        currency=currency,
    )


def _flag_sentences(flags: pa.Table) -> list[str]:
    grouped = flags.group_by(["table", "rule"], use_threads=False)
    firsts = grouped.aggregate([("line", "count"), ("source", "first"), ("line", "first")])
    return [
        f"{row['table']}: {row['line_count']:,} {row['rule']}, first in {row['source_first']} "
        f"line {row['line_first']}"
        for row in firsts.to_pylist()
    ]


def _reasons(quarantine: pa.Table, table: str) -> str:
    rules = quarantine.filter(pc.equal(quarantine["table"], table))["rule"]
    counts = sorted(rules.value_counts().to_pylist(), key=lambda c: -c["counts"])
    return ", ".join(f"{count['values']} {count['counts']:,}" for count in counts[:5])
