from datetime import date, timedelta

import pytest

from serving.answers import StoredScore


@pytest.fixture
def three_nights(serve, row):
    day = row()["as_of"]
    for back in (2, 1):
        serve([row(as_of=day - timedelta(days=back), open_cents=back)])
    return serve([row(as_of=day, open_cents=100_00)])


def test_an_invoice_is_told_as_any_night_that_is_kept_told_it(three_nights):
    for as_of, amount in [("2026-06-28", 0.02), ("2026-06-29", 0.01), ("2026-06-30", 100.0)]:
        answer = three_nights.get(f"/v1/invoices/2026/000311?as_of={as_of}").json()
        StoredScore.model_validate(answer)
        assert (answer["as_of"], answer["invoice"]["open_amount"]) == (as_of, amount)


def test_without_a_day_the_last_night_answers(three_nights):
    assert three_nights.get("/v1/invoices/2026/000311").json()["as_of"] == "2026-06-30"


def test_a_day_of_which_neither_night_nor_model_is_there_says_what_is_missing(three_nights):
    answer = three_nights.get("/v1/invoices/2026/000311?as_of=2026-05-01")
    assert (answer.status_code, answer.json()["type"][-8:]) == (503, "no-model")


def test_an_invoice_that_was_not_open_on_the_night_is_not_found(three_nights):
    assert three_nights.get("/v1/invoices/F1?as_of=2026-06-29").status_code == 404


def test_of_a_night_that_was_run_again_the_last_run_answers(serve, row):
    serve([row(open_cents=1)])
    serve([row(open_cents=2)])
    service = serve([row(as_of=date(2026, 7, 1))])
    answer = service.get("/v1/invoices/2026/000311?as_of=2026-06-30").json()
    assert answer["invoice"]["open_amount"] == 0.02


@pytest.mark.parametrize("day", ["30/06/2026", "2026-02-31", "2026-6-30", "today", "../2026-06-30"])
def test_only_a_day_is_taken_for_one(three_nights, day):
    answer = three_nights.get("/v1/invoices/2026/000311", params={"as_of": day})
    assert answer.status_code == 422
