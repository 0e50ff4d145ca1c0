from dataclasses import replace

import numpy as np

from models.actions import Cases, Catalogue
from models.legal import ReferenceRates
from models.weighing import Weighing

DAY = 20_000
CATALOGUE = Catalogue.load()


def gain_cents(action, *, p_unpaid):
    cases = Cases.of(
        open_cents=[1_000_000],
        due_day=[DAY - 80],
        **{f"p_late_{h}": [1.0] for h in (0, 30, 60)},
        p_late_90=[0.99],
        p_unpaid_180=[p_unpaid],
        expected_days_late=[80.0],  # nothing to gain in time
    )
    today = np.full(1, DAY, np.int32)
    weighing = Weighing(cases, CATALOGUE, ReferenceRates({}), today, today)
    return int(weighing.gain_cents(action)[0])


def test_a_success_fee_is_paid_on_money_that_would_have_come_anyway_too():
    # 80 days late: 35 % is lost; the agency takes 22 % of the risk, and a fifth of what comes
    agency = CATALOGUE.action("agency")
    assert gain_cents(agency, p_unpaid=0.5) == 38_500 - 122_000  # 0.2 x 10,000 x (1 - 0.5 x 0.78)


def test_without_a_fee_the_gain_is_the_loss_that_is_spared():
    free = replace(CATALOGUE.action("agency"), success_fee=0.0)
    assert gain_cents(free, p_unpaid=0.5) == 38_500  # 10,000 x 0.35 x 0.5 x 0.22
