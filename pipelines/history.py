"""How much history a ledger has, and how much more it needs before a model can be judged."""

import math
from datetime import date, timedelta

import numpy as np

from models.fitting import NotEnoughHistory
from pipelines.dataset import WARM_UP_DAYS
from pipelines.job import EPOCH
from pipelines.ledger import Ledger
from pipelines.settlement import settle

LEAST_DAYS = 30  # of labels, after a ledger's first weeks: fewer hold not even one month's end


def explained(
    short: NotEnoughHistory, ledger: Ledger, *, origin: date, cut_off: date
) -> NotEnoughHistory:
    """The same refusal, with the days that are missing, judging by how many labels there were."""
    first = _first_payment(ledger)
    if first is None:
        return short
    days = (origin - first).days
    useful = max(days - WARM_UP_DAYS, 0)
    missing = LEAST_DAYS - useful
    if short.share:
        missing = max(missing, math.ceil(useful / short.share) - useful)
    if missing <= 0:
        advice = "longer history alone may not help"
    else:
        advice = (
            f"about {missing} more days of history are needed: "
            f"train again as of {cut_off + timedelta(days=missing)}, or bring earlier payments"
        )
    return NotEnoughHistory(
        f"{short}. A model is judged on invoices from {origin} on, whose outcomes are known by "
        f"{cut_off}, and learns from what came before: {max(days, 0)} days of payments, since "
        f"{first}; {advice}",
        share=short.share,
    )


def _first_payment(ledger: Ledger) -> date | None:
    days = settle(ledger).movements.known_day
    return EPOCH + timedelta(days=int(np.min(days))) if len(days) else None
