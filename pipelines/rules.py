"""The named rules of a row: what each table asks of its columns, as data that Arrow evaluates.

A rule's name is the name of its failure everywhere: in quarantine, in a refused request, in the
counts. `violations` is for the doors that answer row by row (HTTP); `pipelines/quarantine.py`
builds its pandera schemas from the same declarations.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.tables import TABLES, Table

FIRST_DAY, LAST_DAY = date(1990, 1, 1), date(2079, 12, 31)  # the range of the business calendars
MAX_CENTS = 10**13  # 100 billion: sums of millions of rows stay far inside int64
MAX_TERMS_DAYS = 3650  # ten years of credit is a typing error

# ISO 4217: those in use, and the kuna of ledgers that reach back before 2023.
CURRENCIES = frozenset(
    """AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN
    BWP BYN BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD
    FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD
    JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT
    MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG
    QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS
    TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XCG XOF XPF YER
    ZAR ZMW ZWG""".split()
)


@dataclass(frozen=True)
class Rule:
    """One named rule of a table's rows: the column it blames, what it expects, who breaks it."""

    name: str
    column: str
    expected: str
    needs: tuple[str, ...]  # the stored columns it reads; where one is absent the rule is silent
    broken: Callable[[pa.Table], pa.Array]
    bounds: Mapping[str, object] = field(default_factory=dict)  # the same in JSON Schema's words


@dataclass(frozen=True)
class Violation:
    """One rule that one row breaks; `row` counts from 0."""

    row: int
    column: str
    rule: str
    found: str
    expected: str


def missing(column: str) -> Rule:
    return Rule(
        "missing_required", column, f"a value in {column}", (column,), lambda t: t[column].is_null()
    )


def implausible_date(column: str) -> Rule:
    return Rule(
        "implausible_date",
        column,
        f"between {FIRST_DAY} and {LAST_DAY}",
        (column,),
        lambda t: pc.or_(
            pc.less(t[column], pa.scalar(FIRST_DAY)), pc.greater(t[column], pa.scalar(LAST_DAY))
        ),
    )


def outside(name: str, column: str, low: float, high: float, expected: str) -> Rule:
    return Rule(
        name,
        column,
        expected,
        (column,),
        lambda t: pc.or_(pc.less(t[column], low), pc.greater(t[column], high)),
        {"minimum": low, "maximum": high},
    )


def earlier(name: str, column: str, than: str) -> Rule:
    return Rule(
        name,
        column,
        f"on or after {than}",
        (column, than),
        lambda t: pc.less(t[column], t[than]),
    )


def unlisted(column: str, *values: str, name: str = "unlisted_value", expected: str = "") -> Rule:
    return Rule(
        name,
        column,
        expected or f"one of {', '.join(sorted(values))}",
        (column,),
        lambda t: pc.and_(
            t[column].is_valid(), pc.invert(pc.is_in(t[column], value_set=pa.array(values)))
        ),
        {"enum": sorted(values)},
    )


def _not_finite(column: str) -> Rule:
    return Rule(
        "not_finite",
        column,
        "a finite number",
        (column,),
        lambda t: pc.invert(pc.is_finite(t[column])),
    )


def _no_subject(name: str) -> Rule:
    return Rule(
        name,
        "invoice_id",
        "an invoice_id or a customer_id",
        ("invoice_id", "customer_id"),
        lambda t: pc.and_(t["invoice_id"].is_null(), t["customer_id"].is_null()),
    )


_PARTICULAR: dict[str, tuple[Rule, ...]] = {
    "invoices": (
        earlier("due_before_issue", "due_date", "issue_date"),
        unlisted(
            "currency", *CURRENCIES, name="unknown_currency", expected="an ISO 4217 currency code"
        ),
        outside("bad_fx_rate", "fx_rate", 1e-9, 1e9, "a rate above zero"),
        outside("implausible_terms", "terms_days", 0, MAX_TERMS_DAYS, "from 0 to 3650 days"),
        outside("implausible_discount", "early_discount_pct", 0, 100, "from 0 to 100 percent"),
    ),
    "payments": (
        earlier("returned_before_paid", "returned_on", "paid_on"),
        _no_subject("unallocable_payment"),
    ),
    "credit_notes": (_no_subject("unlinked_credit"),),
    "disputes": (
        earlier("closed_before_opened", "closed_on", "opened_on"),
        unlisted(
            "reason_code",
            *"price quantity quality missing_document not_received other".split(),
        ),
    ),
    "promises": (
        earlier("promised_before_made", "promised_date", "made_on"),
        unlisted("status", "open", "kept", "broken", "cancelled"),
    ),
    "external_ratings": (
        Rule(
            "score_off_scale",
            "score",
            "between scale_min and scale_max",
            ("score", "scale_min", "scale_max"),
            lambda t: pc.or_kleene(
                pc.less(t["score"], t["scale_min"]), pc.greater(t["score"], t["scale_max"])
            ),
        ),
    ),
    "actions": (
        outside("bad_propensity", "propensity", 0, 1, "from 0 to 1"),
        unlisted("actor", "human", "auto"),
    ),
    "legal_events": (
        unlisted("kind", "protest", "insolvency_petition", "composition", "liquidation"),
    ),
}


def _rules(table: Table) -> tuple[Rule, ...]:
    required = tuple(missing(c.stored) for c in table.columns if c.required)
    dated = tuple(implausible_date(c.name) for c in table.columns if c.kind == "date")
    money = [c.stored for c in table.columns if c.kind == "amount"]
    signed = tuple(
        outside("negative_amount", c, 0, MAX_CENTS * 10**3, "zero or more") for c in money
    )
    bounded = tuple(
        outside("implausible_amount", c, -MAX_CENTS, MAX_CENTS, "at most 100 billion")
        for c in money
    )
    finite = tuple(_not_finite(c.name) for c in table.columns if c.kind == "number")
    return required + dated + signed + bounded + finite + _PARTICULAR.get(table.name, ())


RULES: dict[str, tuple[Rule, ...]] = {name: _rules(table) for name, table in TABLES.items()}


def broken_rows(rule: Rule, rows: pa.Table) -> np.ndarray:
    """Which rows break the rule; about an absent column only `missing_required` complains."""
    absent = [column for column in rule.needs if column not in rows.column_names]
    if absent:
        return np.full(rows.num_rows, rule.name == "missing_required")
    found = rule.broken(rows).fill_null(False)
    return np.asarray(found.to_numpy(), dtype=bool)


def violations(table_name: str, rows: pa.Table) -> list[Violation]:
    """Every rule that each row breaks, row by row; `rows` has the columns that a ledger stores."""
    return sorted(
        _found(TABLES[table_name], rows), key=lambda violation: (violation.row, violation.column)
    )


def _found(table: Table, rows: pa.Table) -> Iterator[Violation]:
    for rule in RULES[table.name]:
        for row in np.flatnonzero(broken_rows(rule, rows)).tolist():
            yield Violation(
                row, door_name(rule.column), rule.name, shown(rows, rule.column, row), rule.expected
            )


def door_name(column: str) -> str:
    """The column's name at the doors, where money has no unit in its name."""
    return column.removesuffix("_cents")


def shown(rows: pa.Table, column: str, row: int) -> str:
    """The cell as a person reads it: money in units, what is missing as nothing."""
    if column not in rows.column_names:
        return ""
    value = rows[column][row].as_py()
    if value is None:
        return ""
    if column.endswith("_cents"):
        return f"{'-' if value < 0 else ''}{abs(value) // 100}.{abs(value) % 100:02d}"
    return str(value)
