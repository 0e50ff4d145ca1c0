"""What a worklist shows, filters and sorts by of each customer, against the rows themselves."""

from itertools import groupby

import pytest

from pipelines import customer_rows, scoring
from pipelines.ledger import Ledger
from pipelines.lookup import searched
from pipelines.snapshot import CUSTOMER_SORTS, INVOICE_SORTS, NotFiltered, Snapshot, Wanted
from pipelines.store import ScoreStore
from serving.answers import customer_score
from tests import trained
from tests.trained import on


@pytest.fixture(scope="module")
def scores():
    company = trained.small()
    return scoring.score(company.ledger, company.as_of, company.bundle)


@pytest.fixture(scope="module")
def night(scores, tmp_path_factory) -> Snapshot:
    company = trained.small()
    store = ScoreStore(tmp_path_factory.mktemp("nights"))
    rows = customer_rows.of(scores, company.ledger.customers)
    with store.writing() as run:
        store.publish(on(company.as_of), scores, run=run, customers=rows)
    return store.current()


def test_the_figures_are_those_of_the_customers_answer(scores) -> None:
    rows = customer_rows.of(scores, trained.small().ledger.customers).to_pylist()
    said = {"language": "en", "currency": "EUR"}
    by_customer = groupby(scores.sort_by("customer_id").to_pylist(), lambda r: r["customer_id"])
    told = {customer: list(own) for customer, own in by_customer}
    collectors = {
        row["customer_id"]: row["collector"] for row in trained.small().ledger.customers.to_pylist()
    }
    assert [row["customer_id"] for row in rows] == sorted(told)
    for row in rows:
        own = told[row["customer_id"]]
        answer = customer_score(own, **said)
        assert row["n_invoices"] == answer["n_invoices"]
        assert row["open_cents"] / 100 == pytest.approx(answer["open_amount"])
        assert row["overdue_cents"] / 100 == pytest.approx(answer["overdue_amount"])
        assert row["p_late_30"] == pytest.approx(answer["p_late_30"])
        assert row["risk_band"] == answer["risk_band"]
        assert {signal["code"] for signal in row["signals"]} == set(answer["signals"])
        assert row["collector"] == collectors[row["customer_id"]]
        lead = max(own, key=lambda r: r["value_at_risk_cents"])
        (of_lead,) = [r for r in own if r["invoice_id"] == row["lead_invoice_id"]]
        assert of_lead["value_at_risk_cents"] == lead["value_at_risk_cents"]
        assert row["expected_date"] == of_lead["expected_date"]


def test_a_night_without_anything_open_has_no_customers(scores) -> None:
    assert customer_rows.of(scores.slice(0, 0), Ledger.of().customers).num_rows == 0


FILTERS = {
    "band": (Wanted(band="critical"), lambda r: r["risk_band"] == "critical"),
    "signal": (
        Wanted(signal="delay_drift"),
        lambda r: "delay_drift" in {s["code"] for s in r["signals"]},
    ),
    "company": (Wanted(company="IT01"), lambda r: r["company_code"] == "IT01"),
    "amount": (Wanted(at_least_cents=2_000_00), lambda r: r["open_cents"] >= 2_000_00),
    "name": (Wanted(text="S.R.L"), lambda r: "s.r.l" in (r["customer_name"] or "").casefold()),
    "id": (Wanted(text="f00003"), lambda r: r["invoice_id"].startswith("F00003")),
    "two": (
        Wanted(band="critical", at_least_cents=2_000_00),
        lambda r: r["risk_band"] == "critical" and r["open_cents"] >= 2_000_00,
    ),
}


@pytest.mark.parametrize("name", FILTERS)
def test_filters_choose_the_invoices_that_a_plain_look_chooses(night, scores, name) -> None:
    wanted, holds = FILTERS[name]
    expected = {row["invoice_id"] for row in scores.to_pylist() if holds(row)}
    found = night.worklist(wanted, limit=10_000)

    assert 0 < len(expected) < scores.num_rows
    assert {row["invoice_id"] for row in found} == expected
    assert night.count(wanted) == len(expected)


def test_a_collector_sees_the_own_customers(night, scores) -> None:
    assert night.collectors == ["anna", "bruno", "carla"]
    seen = [night.worklist(Wanted(collector=who), limit=10_000) for who in night.collectors]
    assert sum(map(len, seen)) == scores.num_rows
    assert all(
        len({night.get_customer_row(r["customer_id"])["collector"] for r in of}) == 1 for of in seen
    )


ASKED = (
    Wanted(),
    Wanted(band="critical"),
    Wanted(signal="delay_drift"),
    Wanted(text="srl", at_least_cents=1),
)


@pytest.mark.parametrize("sort", INVOICE_SORTS)
def test_a_long_list_is_filtered_sorted_and_counted_in_indexes_alone(night, sort) -> None:
    asked: list[str] = []
    night._lookup.set_trace_callback(asked.append)
    for wanted in ASKED:
        night.worklist(wanted, limit=30, offset=60, sort=sort)
        night.count(wanted)
    night._lookup.set_trace_callback(None)

    for query in asked:
        steps = [step for *_, step in night._lookup.execute(f"EXPLAIN QUERY PLAN {query}")]
        rows_read = [s for s in steps if "scores" in s and "COVERING INDEX" not in s]
        shown = ["SEARCH scores USING INTEGER PRIMARY KEY (rowid=?)"]
        by_band = "by_band" in " ".join(rows_read)  # a few narrow rows, the others are not touched
        assert by_band or rows_read == (shown if "SELECT row" in query else []), (query, steps)


@pytest.mark.parametrize("typed", ["Società Città", "societa citta", "SRL", "s.r.l.", "c-1"])
def test_a_name_is_found_however_it_is_typed(typed) -> None:
    assert typed.casefold() in searched("Società Città S.r.l. C-1")


def test_what_could_be_sql_is_text(night) -> None:
    for hostile in ("'; DROP TABLE scores --", '" OR 1=1', "%", "_"):
        assert night.worklist(Wanted(text=hostile)) == []
        assert night.worklist(Wanted(collector=hostile)) == []


@pytest.mark.parametrize(
    ("sort", "column"),
    [("open", "open_cents"), ("risk", "value_at_risk_cents"), ("probability", "p_late_30")],
)
def test_sorts_put_the_most_first_on_every_page(night, scores, sort, column) -> None:
    pages = [
        row[column]
        for at in range(0, scores.num_rows, 37)
        for row in night.worklist(limit=37, offset=at, sort=sort)
    ]
    assert pages == sorted(scores[column].to_pylist(), reverse=True)
    assert sort in INVOICE_SORTS
    assert sort in CUSTOMER_SORTS


def test_a_night_without_customers_rows_says_that_it_cannot_filter_its_plan(
    scores, tmp_path
) -> None:
    store = ScoreStore(tmp_path)
    with store.writing() as run:
        store.publish(on(trained.small().as_of), scores, run=run)
    night = store.current()
    assert night.worklist(Wanted(company="IT01"), limit=1)
    with pytest.raises(NotFiltered, match="collector"):
        night.plan(Wanted(collector="anna"))
