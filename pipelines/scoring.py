"""Scoring: the one path from a ledger to what is said of every open invoice.

HTTP, the page, notebooks, the command line and the nightly batch all call `score`; the same
invoice, day, history and model get the same bits whoever asks and whatever is asked beside it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from models.bundle import Bundle
from models.horizons import PROBABILITY_COLUMNS
from models.outlook import Economics
from models.policy import Policy
from pipelines import decisions, landmarks, litter, onset
from pipelines.asked import Asked
from pipelines.beliefs import believe, check_book
from pipelines.decisions import Standing
from pipelines.explaining import USUAL_TELLING, Telling
from pipelines.features import Peers
from pipelines.landmarks import Prepared
from pipelines.ledger import Ledger, rows_of, whole
from pipelines.score_schema import SCORE_SCHEMA
from pipelines.settlement import is_open, left_cents

Days = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]

BLOCK = 20_000  # invoices scored together; memory follows it, answers do not


def score(
    ledger: Ledger,
    as_of: int,
    model: Bundle,
    *,
    invoices: Sequence[str] | None = None,
    economics: Economics | None = None,
    policy: Policy | None = None,
    telling: Telling = USUAL_TELLING,
) -> pa.Table:
    """One row for each open invoice (or each of `invoices` that is open), in SCORE_SCHEMA.

    The action of each is that for it alone; `score_and_ask` gives what a plan of all needs.

    `as_of` is days since 1970-01-01; what happened or was recorded on it or later is not seen.
    Rows come in the order of invoice_id. An invoice issued on `as_of` itself is scored if asked
    by name.
    """
    return score_and_ask(
        ledger,
        as_of,
        model,
        invoices=invoices,
        economics=economics,
        policy=policy,
        telling=telling,
    )[0]


def score_and_ask(
    ledger: Ledger,
    as_of: int,
    model: Bundle,
    *,
    invoices: Sequence[str] | None = None,
    economics: Economics | None = None,
    policy: Policy | None = None,
    telling: Telling = USUAL_TELLING,
) -> tuple[pa.Table, list[decisions.Asked]]:
    """The scores, and the cases that the actions were decided on, in the same order."""
    check_book(model.model)
    economics = economics or Economics()
    prepared = landmarks.prepare(ledger.known_before(as_of + 1))
    asked = open_rows(prepared, as_of, invoices)
    peers = Peers.from_columns(model.model.peers)
    known = decisions.standing(prepared, as_of)
    with litter.left_lying():
        parts = [
            _score_block(
                prepared, known, asked[at : at + BLOCK], model, peers, economics, policy, telling
            )
            for at in range(0, len(asked), BLOCK)
        ]
    tables = [table for table, _ in parts]
    table = pa.concat_tables(tables) if tables else SCORE_SCHEMA.empty_table()
    return table.combine_chunks(), [asked_for for _, asked_for in parts]


def open_rows(prepared: Prepared, as_of: int, invoices: Sequence[str] | None) -> Rows:
    """The rows of the open invoices (or of `invoices` that are open), in the order of their ids."""
    ids = prepared.ledger.invoices["invoice_id"].combine_chunks()
    if invoices is None:
        rows = np.flatnonzero(is_open(prepared.settlement, as_of))
    else:
        settlement = prepared.settlement
        rows = rows_of(pa.array(invoices, pa.string()), among=ids)
        rows = rows[rows >= 0]
        new = settlement.known_day[rows] == as_of
        left = left_cents(settlement, as_of)[rows]  # what was paid in advance is not open
        new &= left > settlement.tolerance_cents[rows]
        rows = np.unique(rows[new | is_open(settlement, as_of)[rows]])
    in_order: Rows = rows[pc.sort_indices(ids.take(pa.array(rows))).to_numpy()]
    return in_order


def _score_block(
    prepared: Prepared,
    known: Standing,
    invoice: Rows,
    model: Bundle,
    peers: Peers,
    economics: Economics,
    policy: Policy | None,
    telling: Telling,
) -> tuple[pa.Table, decisions.Asked]:
    day = np.full(len(invoice), known.as_of, np.int32)
    taken = landmarks.take(prepared, invoice, day, peers=peers)
    asked = Asked(taken, prepared, invoice, known.as_of, peers)
    believed = believe(
        asked,
        left_cents(prepared.settlement, known.as_of)[invoice],  # issued on the very day or before
        model,
        standing=onset.standing(asked),
        economics=economics,
        telling=telling,
    )
    columns = {**_invoice_columns(asked, known), **believed.columns}
    looked_at = ("open_cents", "expected_days_late", *PROBABILITY_COLUMNS)
    asked_for = decisions.ask(
        prepared,
        known,
        invoice,
        believed={
            **{name: columns[name] for name in looked_at},
            **{name: asked.columns[name] for name in ("n_settled", "late30_share")},
        },
        cause=believed.causes,
        signals=believed.signals,
        policy=policy,
    )
    columns["action"] = decisions.decide(asked_for, policy)
    table = pa.table(
        [pa.array(columns[field.name], field.type) for field in SCORE_SCHEMA], schema=SCORE_SCHEMA
    )
    return table, asked_for


def _invoice_columns(asked: Asked, known: Standing) -> dict[str, Any]:
    settlement, ledger = asked.prepared.settlement, asked.prepared.ledger
    rows = asked.invoice
    customer = settlement.customer[rows]
    at = known.customer_row[customer]

    def of_invoice(column: str) -> pa.Array:
        return whole(ledger.invoices[column]).take(pa.array(rows))

    return {
        "invoice_id": of_invoice("invoice_id"),
        "customer_id": settlement.customer_ids.take(pa.array(customer)),
        "customer_name": whole(ledger.customers["name"]).take(pa.array(at, mask=at < 0)),
        "company_code": of_invoice("company_code"),
        "as_of": asked.taken.as_of,
        "issue_date": of_invoice("issue_date"),
        "due_date": settlement.raw_due_day[rows],
        "amount_cents": settlement.amount_cents[rows],
    }
