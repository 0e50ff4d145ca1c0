"""The truth behind one block of invented customers: what the ledger does not say."""

import numpy as np
import pyarrow as pa

from pipelines.invented import customers as people
from pipelines.invented import temperaments as tempers
from pipelines.invented.block import Block
from pipelines.invented.columns import (
    action_ids,
    customer_ids,
    invoice_ids,
    labels,
)
from pipelines.ledger import NEVER

CAUSES = (None, "difficulty", "administrative", "habit", "unknown")
TRUTH_SCHEMAS = {
    "customers": pa.schema(
        [
            ("customer_id", pa.string()),
            ("temperament", pa.string()),
            ("usual_delay_days", pa.float64()),
            ("onset_day", pa.int32()),
            ("stop_day", pa.int32()),
            ("payment_run", pa.string()),
        ]
    ),
    "invoices": pa.schema(
        [
            ("invoice_id", pa.string()),
            ("customer_id", pa.string()),
            ("due_business_day", pa.int32()),
            ("settled_day", pa.int32()),
            ("settled_day_without_contacts", pa.int32()),
            ("cancelled", pa.bool_()),
            ("cause", pa.string()),
        ]
    ),
    "effects": pa.schema(
        [
            ("action_id", pa.string()),
            ("invoice_id", pa.string()),
            ("action_code", pa.string()),
            ("temperament", pa.string()),
            ("settled_day_without", pa.int32()),
            ("settled_day_with", pa.int32()),
            ("days_gained", pa.int32()),
        ]
    ),
}


def truth_tables(block: Block, *, wanted: int) -> dict[str, pa.Table]:
    """What the ledger does not say: temperaments, true settlements, causes, effects of contacts."""
    c, inv, acts = block.customers, block.invoices, block.contacts
    who = np.arange(wanted)
    rows = np.flatnonzero(inv.customer < wanted)
    made = np.flatnonzero(acts.made & (inv.customer[acts.invoice] < wanted))
    step, of = acts.step[made], acts.invoice[made]
    columns = {
        "customers": {
            "customer_id": customer_ids(block, who),
            "temperament": labels(tempers.NAMES, c.temperament[who]),
            "usual_delay_days": c.delay_days[who],
            "onset_day": c.onset_day[who],
            "stop_day": c.stop_day[who],
            "payment_run": labels(people.RUNS, c.run[who]),
        },
        "invoices": {
            "invoice_id": invoice_ids(block, rows),
            "customer_id": customer_ids(block, inv.customer[rows]),
            "due_business_day": inv.due_business_day[rows],
            "settled_day": block.outcome.settled_day[rows],
            "settled_day_without_contacts": block.intent.settle_day[rows],
            "cancelled": block.outcome.cancelled[rows],
            "cause": _causes(block).take(pa.array(rows)),
        },
        "effects": {
            "action_id": action_ids(block, made),
            "invoice_id": invoice_ids(block, of),
            "action_code": labels([x.code for x in tempers.CONTACTS], step),
            "temperament": labels(tempers.NAMES, c.temperament[inv.customer[of]]),
            "settled_day_without": acts.settle_without[made],
            "settled_day_with": acts.settle_with[made],
            "days_gained": acts.settle_without[made] - acts.settle_with[made],
        },
    }
    return {
        name: pa.table({f.name: pa.array(columns[name][f.name], f.type) for f in schema}, schema)
        for name, schema in TRUTH_SCHEMAS.items()
    }


def _causes(block: Block) -> pa.Array:
    """Why each invoice was late, null where it was not: trouble before paperwork before habit."""
    temperament = block.customers.temperament[block.invoices.customer]
    late = block.outcome.settled_day > block.invoices.due_business_day
    habits = [tempers.CODE[name] for name in ("habitual_late", "seasonal", "payment_run")]
    paperwork = block.intent.forgotten | block.outcome.short | (block.intent.dispute.opened < NEVER)
    code = np.select(
        [~late, block.intent.in_trouble, paperwork, np.isin(temperament, habits)], [0, 1, 2, 3], 4
    )
    return labels(CAUSES, code)
