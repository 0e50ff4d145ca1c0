"""What is answered from the rows that last night read: other days, other facts, how it was paid."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest

from models import bundle
from pipelines import night, scoring, settlement, sources
from pipelines.job import Job, day_number
from pipelines.store import ScoreStore
from serving import kept_rows
from serving.answers import StoredScore
from serving.app import create_app
from serving.customer_history import CustomerHistory
from serving.feature_messages import Features
from serving.given_features import FeatureScores
from serving.limits import INVOICES_INLINE, ScoringPlaces
from serving.problems import Problem
from serving.what_if import WhatIf
from tests import small_company
from tests.small_company import AS_OF

pytestmark = small_company.QUIET_MLFLOW
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    settings = small_company.settings(tmp_path_factory.mktemp("kept"))
    small_company.crowned(settings)
    folder = str(small_company.ledger_folder())
    night.run(Job.of(settings, at=datetime(2026, 7, 1, 2, tzinfo=UTC), ledger=folder, as_of=AS_OF))
    return settings


@pytest.fixture(scope="module")
def served(settings, running_on):
    with running_on(create_app(settings, today=lambda: AS_OF)) as client:
        yield client


@pytest.fixture(scope="module")
def ledger():
    return sources.read(small_company.ledger_folder(), today=AS_OF).ledger


@pytest.fixture(scope="module")
def row(settings):
    return ScoreStore(settings.scores_folder).current().worklist(limit=1)[0]


def test_a_day_without_a_night_is_worked_out_with_the_bits_of_a_night_on_that_day(
    served, settings, ledger
):
    day = AS_OF - timedelta(days=45)
    model = bundle.champion(settings.models_folder)
    expected = scoring.score(ledger, day_number(day), model).to_pylist()
    settled = settlement.settle(ledger).settled_day < day_number(AS_OF)
    since = set(ledger.invoices["invoice_id"].filter(settled).to_pylist())
    some = [
        next(row for row in expected if (row["invoice_id"] in since) is was_settled)
        for was_settled in (False, True)  # found by the night's row, and through all buckets
    ]
    for row in some:
        answer = served.get(f"/v1/invoices/{row['invoice_id']}?as_of={day}").json()
        StoredScore.model_validate(answer)
        assert (answer["score_source"], answer["as_of"]) == ("model", day.isoformat())
        for name in ("p_late_0", "p_late_30", "p_late_90", "expected_days_late"):
            assert answer["invoice"][name] == row[name]


def test_the_nights_own_day_is_answered_by_the_night(served, row):
    answer = served.get(f"/v1/invoices/{row['invoice_id']}?as_of={AS_OF}").json()
    assert answer["score_source"] == "stored_score"


def test_what_is_not_known_is_not_found(served, row):
    ahead = AS_OF + timedelta(days=1)
    before_any = date(2001, 1, 1)
    for path in (
        f"/v1/invoices/{row['invoice_id']}?as_of={ahead}",
        f"/v1/invoices/{row['invoice_id']}?as_of={before_any}",
        "/v1/invoices/nothing?as_of=2026-06-01",
        "/v1/customers/nobody/history",
        f"/v1/customers/{row['customer_id']}/history?as_of={before_any}",
    ):
        answer = served.get(path)
        assert (answer.status_code, answer.json()["type"][-9:]) == (404, "not-found"), path


def test_a_history_tells_every_invoice_of_the_customer_and_nothing_of_later_days(
    served, ledger, row
):
    customer = row["customer_id"]
    answer = served.get(f"/v1/customers/{customer}/history").json()
    CustomerHistory.model_validate(answer)
    own = [i for i in ledger.invoices.to_pylist() if i["customer_id"] == customer]
    assert {i["invoice_id"] for i in answer["invoices"]} == {i["invoice_id"] for i in own}
    open_ones = [i for i in answer["invoices"] if i["settled_on"] is None]
    customers = served.get(f"/v1/customers/{customer}").json()["customer"]
    assert sum(i["open_amount"] for i in open_ones) == pytest.approx(customers["open_amount"])

    issued = sorted(date.fromisoformat(i["issue_date"]) for i in answer["invoices"])
    before = issued[len(issued) // 2] + timedelta(days=1)
    earlier = served.get(f"/v1/customers/{customer}/history?as_of={before}").json()
    assert 0 < len(earlier["invoices"]) < len(answer["invoices"])
    assert all(i["issue_date"] < before.isoformat() for i in earlier["invoices"])
    assert all((i["settled_on"] or "") < before.isoformat() for i in earlier["invoices"])
    assert all(a["performed_on"] < before.isoformat() for a in earlier["actions"])


def test_what_if_needs_no_history_of_an_invoice_that_the_night_scored(served, row):
    asked = {"change": {"more_days": 30}, "target": 0.5, "language": "en"}
    answer = served.post(f"/v1/what-if/{row['invoice_id']}", json=asked)
    WhatIf.model_validate(answer.json())
    assert answer.json()["before"]["p_late_30"] == row["p_late_30"]
    assert answer.json()["after"]["change"] == {"more_days": 30}

    unknown = served.post("/v1/what-if/nothing", json=asked)
    assert unknown.status_code == 404
    wrong = served.post(f"/v1/what-if/{row['invoice_id']}", json={"change": {"amount": 0.5}})
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["path"].startswith("change")


def test_one_model_answers_a_whole_what_if_though_it_goes_meanwhile(
    settings, running_on, row, monkeypatch
):
    app = create_app(settings, today=lambda: AS_OF)
    read = kept_rows.of_customer

    def reading_while_the_model_goes(at_hand, *asked):
        at_hand.model = None
        return read(at_hand, *asked)

    monkeypatch.setattr(kept_rows, "of_customer", reading_while_the_model_goes)
    with running_on(app) as client:
        before = app.state.at_hand.model.version
        asked = {"change": {"more_days": 30}}
        answer = client.post(f"/v1/what-if/{row['invoice_id']}", json=asked)
    assert answer.status_code == 200
    assert answer.json()["model_version"] == before


def test_a_night_whose_rows_are_gone_says_so(settings, running_on, row, tmp_path):
    elsewhere = settings.model_copy(update={"home": tmp_path})
    for name in ("scores", "models"):
        (tmp_path / name).symlink_to(settings.home / name)
    with running_on(create_app(elsewhere, today=lambda: AS_OF)) as client:
        answer = client.get(f"/v1/customers/{row['customer_id']}/history")
        assert answer.status_code == 404
        assert "are not kept" in answer.json()["detail"]
        assert client.get(f"/v1/customers/{row['customer_id']}").status_code == 200


@pytest.mark.parametrize(("path", "body"), [("features/{}", None), ("what-if/{}", {})])
def test_a_long_history_is_not_looked_through_on_the_event_loop(
    served, row, monkeypatch, path, body
):
    ran = []
    monkeypatch.setattr(kept_rows, "HISTORY_OF_ONE", 0.1)  # a few invoices are long then
    monkeypatch.setattr(
        ScoringPlaces, "run", lambda places, work, *, invoices: ran.append(invoices) or run(places)
    )

    async def run(places):
        raise Problem("busy", "")

    address = f"/v1/{path.format(row['invoice_id'])}"
    answer = served.get(address) if body is None else served.post(address, json=body)
    assert answer.status_code == 503
    assert ran[0] > INVOICES_INLINE


FROM_FEATURES = "/v1/scores/from-features"


def test_what_the_model_looks_at_is_scored_with_the_bits_of_the_night(served, row):
    looked_at = served.get(f"/v1/features/{row['invoice_id']}").json()
    answer = served.post(FROM_FEATURES, json=looked_at)
    assert answer.status_code == 200
    FeatureScores.model_validate(answer.json())
    (given,) = answer.json()["invoices"]
    night = served.get(f"/v1/invoices/{row['invoice_id']}").json()["invoice"]
    assert given == {**{name: night[name] for name in given}, "signals": given["signals"]}
    assert {s["code"] for s in given["signals"]} <= {s["code"] for s in night["signals"]}


def test_the_quick_reading_of_features_and_the_usual_one_answer_alike(served, row):
    looked_at = served.get(f"/v1/features/{row['invoice_id']}")
    quick = served.post(FROM_FEATURES, content=looked_at.content, headers=JSON).json()
    escaped = looked_at.content.replace(b'"invoices"', b'"\\u0069nvoices"')
    usual = served.post(FROM_FEATURES, content=escaped, headers=JSON).json()
    assert quick["invoices"] == usual["invoices"]


@pytest.mark.parametrize(
    ("told", "instead", "status"),
    [
        (r'"language":null', '"language" :null,"as_of":"2026-01-01"', 400),  # named twice
        (r'"open_amount":[0-9.]+', f'"open_amount":-0.{"0" * 400}1', 422),
    ],
)
def test_what_the_usual_reading_of_features_refuses_no_quick_one_takes(
    served, row, told, instead, status
):
    body = served.get(f"/v1/features/{row['invoice_id']}").text
    changed, n = re.subn(told, instead, body)
    assert n == 1
    for text in (changed, changed.replace('"invoices"', '"\\u0069nvoices"')):
        answer = served.post(FROM_FEATURES, content=text, headers=JSON)
        assert answer.status_code == status


@pytest.mark.parametrize(("least", "most", "status"), [(1, 1, 200), (1.1, 1, 422), (1, 1.1, 422)])
def test_features_at_the_ends_of_what_they_may_be_are_answered(served, row, least, most, status):
    asked = served.get(f"/v1/features/{row['invoice_id']}").json()
    properties = Features.model_json_schema()["properties"]
    for n, (name, about) in enumerate(properties.items()):
        (number, _) = about["anyOf"]
        ends = (number["minimum"] * least, number["maximum"] * most)
        asked["invoices"][0]["features"][name] = ends[n % 2]
    assert served.post(FROM_FEATURES, json=asked).status_code == status


def test_an_invoice_is_given_once(served, row):
    asked = served.get(f"/v1/features/{row['invoice_id']}").json()
    asked["invoices"] *= 2
    answer = served.post(FROM_FEATURES, json=asked)
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert (fault["path"], fault["rule"]) == ("invoices[1].invoice_id", "duplicate_id")


@pytest.mark.parametrize(
    ("change", "path", "rule"),
    [
        ({"feature_book": "0" * 64}, "feature_book", "another_book"),
        ({"as_of": None}, "as_of", "iso_date"),
        ({"features": {"delay_mean": 3}}, "invoices[0].features.n_open", "missing"),
        ({"features+": {"colour": 3}}, "invoices[0].features.colour", "extra_forbidden"),
        ({"features+": {"n_open": 10**400}}, "invoices[0].features.n_open", "number"),
        ({"features+": {"n_open": "3"}}, "invoices[0].features.n_open", "number"),
        ({"open_amount": 1.001}, "invoices[0].open_amount", "amount"),
        ({"weekday_payments": [1]}, "invoices[0].weekday_payments", "too_short"),
        ({"record+": {"is_cancelled": []}}, "invoices[0].record", "unequal_lengths"),
        (
            {
                "record": {
                    "known_days_ago": [1, 2],
                    "due_days_ago": [1, 2],
                    "closed_days_ago": [None, None],
                    "is_cancelled": [False, False],
                }
            },
            "invoices[0].record.known_days_ago",
            "out_of_order",
        ),
    ],
)
def test_features_that_cannot_be_scored_are_refused_with_their_place(
    served, row, change, path, rule
):
    asked = served.get(f"/v1/features/{row['invoice_id']}").json()
    (name, value), *_ = change.items()
    whole = asked if name in asked else asked["invoices"][0]
    if name.endswith("+"):
        whole[name[:-1]] |= value
    else:
        whole[name] = value
    answer = served.post(FROM_FEATURES, json=asked)
    assert answer.status_code == 422
    assert (path, rule) in {(f["path"], f["rule"]) for f in answer.json()["errors"]}


def test_features_of_what_is_not_open_are_not_found(served):
    assert served.get("/v1/features/nothing").status_code == 404
    assert served.get("/v1/features/nothing?as_of=2079-01-01").status_code == 404
