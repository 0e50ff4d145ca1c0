"""What nights advise, kept and read again; and thirty nights whose advice is followed."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from models.catalogue import Catalogue
from models.holdout import Trial
from models.policy import Policy
from pipelines import action_log, learned_effects, plan_record, planning, scoring
from pipelines.decisions import Asked
from pipelines.job import Job, day_number
from pipelines.ledger import Ledger
from pipelines.plan_record import ADVISED_SCHEMA, PlanRecord
from pipelines.settings import Settings
from pipelines.store import ScoreStore
from tests.trained import Trained, on

TODAY = date(2026, 7, 1)
TOSSED = Policy(trial=Trial(holdout_share=0.2, exploration_share=0.3))
NIGHTS = 30
Told = tuple[pa.Table, list[Asked]]


@pytest.fixture(scope="module")
def scored(trained: Trained) -> Told:
    return scoring.score_and_ask(trained.ledger, trained.as_of, trained.bundle, policy=TOSSED)


@pytest.fixture
def record(tmp_path: Path) -> PlanRecord:
    return PlanRecord(ScoreStore(tmp_path))


def test_what_is_kept_is_whom_something_could_reach_with_the_chance_of_each(scored: Told) -> None:
    scores, asked = scored
    planned = planning.plan_day(asked, TOSSED)
    kept = plan_record.advised(planned, scores, asked)
    plan = {r["customer_id"]: r for r in planning.table(planned, scores, asked, TOSSED).to_pylist()}

    assert kept.schema.equals(ADVISED_SCHEMA)
    assert 0 < kept.num_rows < scores.num_rows
    reached = {invoice for row in plan.values() for invoice in row["invoices"]}
    assert reached <= set(kept["invoice_id"].to_pylist())
    for row in kept.to_pylist():
        of_customer = plan[row["customer_id"]]
        chances = {chance["code"]: chance["chance"] for chance in row["chances"]}
        assert sum(chances.values()) == pytest.approx(1)
        assert chances["wait"] >= 0.2 - 1e-12
        assert row["action"] == of_customer["code"]
        assert row["propensity"] == of_customer["propensity"]
        assert (row["effective"] == "wait") == (row["invoice_id"] not in of_customer["invoices"])
        assert row["held_out"] == of_customer["held_out"]


def advice(*customers: str, night: date = TODAY) -> pa.Table:
    rows = [{"invoice_id": f"I-{c}", "customer_id": c, "as_of": night} for c in customers]
    return pa.Table.from_pylist(rows, schema=ADVISED_SCHEMA)


def test_nights_are_kept_so_long_and_only_earlier_ones_are_read(record: PlanRecord) -> None:
    for back in range(6):
        night = TODAY - timedelta(days=back)
        record.keep(night, advice("A", night=night))
    record.keep(TODAY, advice("B"))
    assert record.thin(TODAY, days=3) == [TODAY - timedelta(days=b) for b in (5, 4)]
    assert record.read(TODAY)["as_of"].to_pylist() == [TODAY - timedelta(days=b) for b in (3, 2, 1)]
    assert record.read(TODAY + timedelta(days=1))["customer_id"].to_pylist()[-1] == "B"


def test_where_there_is_too_much_whole_customers_are_drawn(record: PlanRecord) -> None:
    names = [f"C{i}" for i in range(400)]
    record.keep(TODAY, advice(*names, *names))
    drawn = record.read(TODAY + timedelta(days=1), most_rows=200)["customer_id"].to_pylist()
    assert 120 < len(drawn) < 280
    assert all(drawn.count(name) == 2 for name in set(drawn))


def test_a_damaged_night_is_passed_over(record: PlanRecord) -> None:
    record.keep(TODAY, advice("A"))
    (record.root / "2026-06-01.parquet").write_bytes(b"PAR1 cut short")
    assert record.read(TODAY + timedelta(days=1)).num_rows == 1


def followed(ledger: Ledger, plan: pa.Table, *, until: int) -> Ledger:
    """The ledger with what a plan advised for this very day done, about the customer as a whole."""
    rows = [
        {
            "action_id": f"{row['as_of']} {row['customer_id']}",
            "customer_id": row["customer_id"],
            "action_code": row["code"],
            "performed_on": row["on"],
            "channel": row["channel"],
        }
        for row in plan.to_pylist()
        if row["code"] != "wait" and row["on"] == on(until)
    ]
    done = pa.Table.from_pylist(rows, schema=ledger.actions.schema)
    return replace(ledger, actions=pa.concat_tables([ledger.actions, done]).combine_chunks())


def test_in_thirty_nights_nobody_is_contacted_twice_in_a_quiet_period(
    trained: Trained, record: PlanRecord
) -> None:
    first, ledger = trained.as_of - NIGHTS, trained.ledger
    before = pc.less(ledger.actions["performed_on"], pa.scalar(on(first)))
    ledger = replace(ledger, actions=ledger.actions.filter(before).combine_chunks())
    for day in range(first, trained.as_of):
        scores, asked = scoring.score_and_ask(ledger, day, trained.bundle, policy=TOSSED)
        planned = planning.plan_day(asked, TOSSED)
        record.keep(on(day), plan_record.advised(planned, scores, asked))
        plan = planning.table(planned, scores, asked, TOSSED)
        ledger = followed(ledger, plan, until=day)

    catalogue = Catalogue.load()
    contacts = {a.code: a for a in catalogue.actions if a.contact}
    seen: dict[str, int] = {}
    many = 0
    for row in ledger.actions.sort_by("performed_on").to_pylist():
        if row["action_code"] in contacts:
            quiet = contacts[row["action_code"]].quiet_days
            day, last = day_number(row["performed_on"]), seen.get(row["customer_id"])
            if day >= first and last is not None:
                assert day - last >= (catalogue.economics.quiet_days if quiet is None else quiet)
            many += day >= first
            seen[row["customer_id"]] = day
    assert many > 10
    the_log_holds_the_waiting_with_its_chances(ledger, record, trained.as_of)


def the_log_holds_the_waiting_with_its_chances(
    ledger: Ledger, record: PlanRecord, as_of: int
) -> None:
    log = action_log.read(ledger, as_of, advised=record.read(on(as_of)))
    of_nights = log.filter(log["chances"].is_valid())
    done = of_nights["action_code"].to_pylist()
    assert done.count("wait") > len(done) / 2
    assert {code for code in done if code != "wait"}
    arrays = action_log.decisions(of_nights)
    assert arrays.randomised.all()
    assert np.allclose(arrays.propensities.sum(axis=1), 1)


def test_a_log_that_is_too_short_leaves_what_was_learned(trained: Trained, tmp_path: Path) -> None:
    settings = Settings(_env_file=None, home=tmp_path)
    settings.effects_file.write_text("# what was learned before\n")
    job = Job.of(settings, at=datetime(2026, 7, 1, tzinfo=UTC), as_of=TODAY)
    nothing = replace(trained.ledger, actions=trained.ledger.actions.slice(0, 0))
    assert learned_effects.teach(job, nothing) is None
    assert settings.effects_file.read_text() == "# what was learned before\n"
    learned = learned_effects.teach(job, trained.ledger)
    assert learned is not None
    assert "as_of = 2026-07-01" in settings.effects_file.read_text()
