"""The words and ids that a block's numbers become: small makers of Arrow arrays."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.invented.block import Block


def customer_ids(block: Block, who: np.ndarray) -> pa.Array:
    ids = pc.binary_join_element_wise("C", padded(block.customers.number + 1, 6), "")
    return ids.take(pa.array(who))


def invoice_ids(block: Block, row: np.ndarray) -> pa.Array:
    return numbered(block, "F", block.invoices.customer[row], block.invoices.line[row])


def action_ids(block: Block, row: np.ndarray) -> pa.Array:
    a = block.contacts
    return pc.binary_join_element_wise(
        "A", invoice_ids(block, a.invoice[row]), "-", text(a.step[row]), ""
    )


def numbered(block: Block, letter: str, customer: np.ndarray, number: np.ndarray) -> pa.Array:
    """Ids such as F000012-0031: a letter, the customer, a running number within the customer."""
    heads = pc.binary_join_element_wise(letter, padded(block.customers.number + 1, 6), "-", "")
    return pc.binary_join_element_wise(heads.take(pa.array(customer)), padded(number, 4), "")


def padded(number: np.ndarray, width: int) -> pa.Array:
    return pc.utf8_lpad(text(number), width, "0")


def text(number: np.ndarray) -> pa.Array:
    return pa.array(number).cast(pa.string())


def labels(names: Sequence[str | None], code: np.ndarray) -> pa.Array:
    return pa.array(list(names), pa.string()).take(pa.array(code))


def where_known(values: pa.Array, known: np.ndarray) -> pa.Array:
    return pc.if_else(pa.array(known), values, pa.scalar(None, values.type))


def dates(day: np.ndarray, known: np.ndarray | None = None) -> pa.Array:
    whole = pa.array(day.astype(np.int32)).cast(pa.date32())
    return whole if known is None else where_known(whole, known)
