"""Hazards of cohorts: counted by hand, shrunk step by step, known only as of their day."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models import cohorts
from models.cohorts import LEAST_INVOICES, SHRINKAGE, TAIL_DAYS, UNKNOWN_HAZARD, Cohorts
from models.customer_curve import DELAYS, FIRST_DELAY, PaymentRecords

NEVER = 1 << 20
ON_TIME = -FIRST_DELAY  # the place of delay 0


def records(
    due: np.ndarray, late: np.ndarray, *, is_open: np.ndarray | bool = False
) -> PaymentRecords:
    due, closed = due.astype(np.int32), np.where(is_open, NEVER, due + late).astype(np.int32)
    nothing = np.zeros(len(due), bool)
    return PaymentRecords(np.array([0, len(due)]), due - 30, due, closed, closed, nothing)


NAMES = [
    cohorts.key("1", "T30"),
    cohorts.key("1", "T60"),
    cohorts.key("2", "T30"),
    cohorts.key(None, None),
]
WHICH = np.repeat([0, 1, 2], [40, 35, 10])  # the third is too small to stand alone
LATE = np.concatenate([np.full(40, 5), np.full(35, 20), np.full(10, 0)])
TODAY = 20_000
DUE = TODAY - 40 - np.arange(85) % 50


def learned(known_on: tuple[int, ...] = (TODAY,), **changes: np.ndarray) -> Cohorts:
    made = replace(records(DUE, LATE), **changes)
    return cohorts.learn(
        made, NAMES, WHICH, known_on=np.array(known_on, np.int32), observed_from=10_000
    )


def hazard(of: Cohorts, name: str, delay: int, as_of: int = TODAY) -> float:
    row = of.rows([name], np.zeros(1, np.int64), np.array([as_of], np.int32))
    return float(of.table[row[0], delay - FIRST_DELAY])


def test_the_hazards_are_shrunk_from_everybody_to_the_company_to_the_cohort() -> None:
    of = learned()
    everybody = 40 / (40 + 35)  # watched on the fifth day: those paid on the due date are gone
    company = (40 + SHRINKAGE * everybody) / (75 + SHRINKAGE)
    own = (40 + SHRINKAGE * company) / (40 + SHRINKAGE)
    assert hazard(of, cohorts.key("9", "T9"), 5) == pytest.approx(everybody)
    assert hazard(of, cohorts.key("1", None), 5) == pytest.approx(company)
    assert hazard(of, NAMES[0], 5) == pytest.approx(own)
    assert hazard(of, NAMES[1], 5) < hazard(of, NAMES[0], 5)


def test_a_small_cohort_is_its_companys_and_an_unknown_one_everybodys() -> None:
    of = learned()
    assert NAMES[2] not in of.names
    assert LEAST_INVOICES > 10
    for delay in (0, 5, 20):
        assert hazard(of, NAMES[2], delay) == hazard(of, cohorts.key("7", "T7"), delay)
        assert hazard(of, cohorts.key("1", "T90"), delay) == (
            hazard(of, cohorts.key("1", None), delay)
        )


def test_all_hazards_are_probabilities_and_the_last_one_is_the_mean_of_the_stretch_before() -> None:
    of = learned()
    assert of.hazards.min() > 0
    assert of.hazards.max() < 1
    tail = of.hazards[:, :, -TAIL_DAYS - 1 : -1].mean(axis=2)
    np.testing.assert_allclose(of.hazards[:, :, -1], tail)


def test_before_the_first_day_known_nothing_is_known() -> None:
    of = learned(known_on=(TODAY, TODAY + 14))
    row = of.rows(NAMES, np.arange(4), np.full(4, TODAY - 1, np.int32))
    assert (of.table[row] == UNKNOWN_HAZARD).all()


def test_each_days_hazards_see_only_what_was_known_before_it() -> None:
    whole = learned(known_on=(TODAY - 60, TODAY - 45, TODAY))
    until = TODAY - 45
    seen = records(DUE, LATE, is_open=DUE + LATE >= until)
    seen = replace(seen, known_day=np.where(seen.known_day < until, seen.known_day, NEVER))
    then = learned(
        known_on=(TODAY - 60, until), known_day=seen.known_day, closed_day=seen.closed_day,
        closed_known_day=seen.closed_known_day,
    )  # fmt: skip
    assert whole.hazards[:3].tobytes() == then.hazards.tobytes()
    assert not np.array_equal(whole.hazards[3], whole.hazards[2])


def test_the_hazards_read_are_those_of_the_last_day_not_after_the_question() -> None:
    of = learned(known_on=(TODAY - 60, TODAY - 45, TODAY))
    days = TODAY + np.array([-61, -60, -46, -45, -1, 0, 99], np.int32)
    rows = of.rows(NAMES[:1], np.zeros(7, np.int64), days)
    assert (rows // len(of.names)).tolist() == [0, 1, 1, 2, 2, 3, 3]


def test_open_invoices_are_watched_and_cancelled_ones_are_not() -> None:
    usual = hazard(learned(), NAMES[0], 5)
    waiting = learned(
        closed_day=np.full(85, NEVER, np.int32), closed_known_day=np.full(85, NEVER, np.int32)
    )
    assert hazard(waiting, NAMES[0], 5) < 1e-6 < usual
    cancelled = learned(cancelled=np.ones(85, bool))
    assert hazard(cancelled, NAMES[0], 5) == pytest.approx(UNKNOWN_HAZARD)


def test_the_order_of_the_records_does_not_matter() -> None:
    order = np.random.default_rng(1).permutation(85)
    made = records(DUE[order], LATE[order])
    other = cohorts.learn(
        made, NAMES, WHICH[order], known_on=np.array([TODAY], np.int32), observed_from=10_000
    )
    assert other.hazards.tobytes() == learned().hazards.tobytes()


def test_what_is_saved_is_loaded_to_the_bit(tmp_path: Path) -> None:
    of = learned(known_on=(TODAY - 60, TODAY))
    of.save(tmp_path / "cohorts.parquet")
    again = Cohorts.load(tmp_path / "cohorts.parquet")
    assert (again.names, again.observed_from) == (of.names, of.observed_from)
    assert again.known_on.tolist() == of.known_on.tolist()
    assert again.hazards.shape == (3, len(of.names), DELAYS)
    assert again.hazards.tobytes() == of.hazards.tobytes()
