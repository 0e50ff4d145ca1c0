"""Both engines behind one question: a ledger's rows, an invoice, a day; every feature's value."""

import math
from collections.abc import Callable, Iterable

import numpy as np
from ledgers import Rows, to_ledger
from reference import replay

from pipelines import features, streams
from pipelines.features import BOOK, Peers
from pipelines.settlement import settle

Answer = dict[str, float]
Engine = Callable[[Rows, str, int], Answer]


def ask(rows: Rows, questions: Iterable[tuple[str, int]]) -> np.ndarray:
    """The fast engine's values for each (invoice id, as_of)."""
    ledger = to_ledger(rows)
    settlement = settle(ledger)
    place = {row["invoice_id"]: at for at, row in enumerate(rows["invoices"])}
    wanted = [(place[invoice_id], as_of) for invoice_id, as_of in questions]
    return features.compute(
        streams.build(ledger, settlement),
        np.array([row for row, _ in wanted], np.int64),
        np.array([as_of for _, as_of in wanted], np.int32),
        Peers.build(ledger, settlement),
    )


def fast(rows: Rows, invoice_id: str, as_of: int) -> Answer:
    return dict(zip(BOOK, ask(rows, [(invoice_id, as_of)])[0].tolist(), strict=True))


def reference(rows: Rows, invoice_id: str, as_of: int) -> Answer:
    return replay.features(rows, invoice_id, as_of)


ENGINES: dict[str, Engine] = {"fast": fast, "reference": reference}


def differs(found: float, expected: float) -> bool:
    """Whole numbers to the bit; the rest within 1e-12 of the value, or of a delay's rounding."""
    if isinstance(expected, int):
        return found != expected
    if math.isnan(expected) or math.isnan(found):
        return math.isnan(expected) != math.isnan(found)
    return not math.isclose(found, expected, rel_tol=1e-12, abs_tol=1e-11)


def differences(found: Answer, expected: Answer) -> dict[str, tuple[float, float]]:
    if found.keys() != expected.keys():
        raise AssertionError(f"only one engine has {sorted(found.keys() ^ expected.keys())}")
    return {
        name: (found[name], expected[name])
        for name in expected
        if differs(found[name], expected[name])
    }
